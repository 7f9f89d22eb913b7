/**
 * `npm run simulate:traffic -- --seed S --mornings N`: honest mornings and attacks from seed S, with
 * the defaults and with stricter and looser numbers beside them. One line each.
 */
import { optionsOrExit } from "../options.ts";
import { configWith, simulateTraffic } from "./run.ts";

const { count: mornings, seed } = optionsOrExit("simulate:traffic", "mornings", 10);

const CHOICES: Record<string, Record<string, string>> = {
  defaults: {},
  "rapid login 3/300": { ABUSE_RAPID_LOGIN: "3/300" },
  "rapid login 10/300": { ABUSE_RAPID_LOGIN: "10/300" },
  "spray 5/3600": { ABUSE_PASSWORD_SPRAY: "5/3600" },
  "spray 20/3600": { ABUSE_PASSWORD_SPRAY: "20/3600" },
};

console.log(`replay: npm run simulate:traffic -- --seed ${seed} --mornings ${mornings}`);
for (const [name, vars] of Object.entries(CHOICES)) {
  const runs = Array.from({ length: mornings }, (_, i) => simulateTraffic(seed + i, configWith(vars)));
  const clients = runs.reduce((sum, one) => sum + one.clients, 0);
  const hindered: Record<string, number> = {};
  for (const run of runs)
    for (const [why, count] of Object.entries(run.hindered)) hindered[why] = (hindered[why] ?? 0) + count;
  const share = runs.reduce((sum, one) => sum + one.hinderedShare * one.clients, 0) / clients;
  const exceeded = runs.reduce((sum, one) => sum + one.exceeded, 0);
  const evaluated = Object.fromEntries(
    (runs[0]?.attacks ?? []).map(({ name: attack }, i) => [
      attack,
      Math.max(...runs.map((run) => run.attacks[i]?.evaluated ?? 0)),
    ]),
  );
  console.log(
    JSON.stringify({
      name,
      clients,
      hindered,
      hinderedPercent: Number((share * 100).toFixed(3)),
      exceeded,
      evaluated,
    }),
  );
  if (name === "defaults" && (share >= 0.01 || exceeded > 0)) process.exitCode = 1;
}
