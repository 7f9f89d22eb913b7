/**
 * `npm run simulate:traffic -- --seed S --mornings N`: honest mornings and attacks from seed S, with
 * the defaults and with stricter and looser numbers beside them; then the same people within an hour and
 * within a quarter, which the defaults are not judged by. One line each.
 */
import { optionsOrExit } from "../options.ts";
import { configWith, JUDGED_MINUTES, type Summary, simulateTraffic } from "./run.ts";

const { count: mornings, seed } = optionsOrExit("simulate:traffic", "mornings", 10);

const CHOICES: Record<string, Record<string, string>> = {
  defaults: {},
  "rapid login 3/300": { ABUSE_RAPID_LOGIN: "3/300" },
  "rapid login 10/300": { ABUSE_RAPID_LOGIN: "10/300" },
  "spray 5/3600": { ABUSE_PASSWORD_SPRAY: "5/3600" },
  "spray 20/3600": { ABUSE_PASSWORD_SPRAY: "20/3600" },
};

console.log(`replay: npm run simulate:traffic -- --seed ${seed} --mornings ${mornings}`);

function replay(vars: Record<string, string>, minutes: number) {
  const runs = Array.from({ length: mornings }, (_, i) =>
    simulateTraffic(seed + i, configWith(vars), minutes),
  );
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
  const hinderedPercent = Number((share * 100).toFixed(3));
  return { runs, clients, hindered, hinderedPercent, exceeded, evaluated };
}

/** Up to which size, in tens of people, fewer than one in a hundred are hindered. */
function sizeUnderOnePercent(runs: readonly Summary[]): number {
  for (let most = 10; most <= 60; most += 10) {
    const sizes = runs
      .flatMap(({ bySize }) => [...bySize])
      .filter(([size]) => size > most - 10 && size <= most);
    const sum = (of: "clients" | "hindered") => sizes.reduce((total, [, one]) => total + one[of], 0);
    if (sum("hindered") >= sum("clients") * 0.01) return most - 10;
  }
  return 60;
}

for (const [name, vars] of Object.entries(CHOICES)) {
  const { runs: _runs, ...figures } = replay(vars, JUDGED_MINUTES);
  console.log(JSON.stringify({ name, arrivalMinutes: JUDGED_MINUTES, ...figures }));
  if (name === "defaults" && (figures.hinderedPercent >= 1 || figures.exceeded > 0)) process.exitCode = 1;
}
for (const arrivalMinutes of [60, 15]) {
  const { runs, clients, hindered, hinderedPercent } = replay({}, arrivalMinutes);
  const officeUnderOnePercent = sizeUnderOnePercent(runs);
  const name = "defaults, all at once";
  console.log(
    JSON.stringify({ name, arrivalMinutes, clients, hindered, hinderedPercent, officeUnderOnePercent }),
  );
}
