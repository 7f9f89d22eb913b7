/**
 * `npm run measure:revocation -- --base URL [--via URL] [--sessions N]`
 *
 * How long each tier goes on accepting a session after its revocation was answered, measured
 * against a running service. Exits with 1 if a stated bound is broken.
 */
import { parseArgs } from "node:util";
import { table } from "../tests/bench/report.ts";
import { quantile } from "../tests/bench/statistics.ts";
import { type Ending, type Finding, type Places, PROBES, probe } from "./revocation-probe.ts";

const USAGE = `usage: npm run measure:revocation -- --base URL [--via URL] [--sessions N]
  --base URL    the service, where sessions begin and end
  --via URL     the same service in another isolate or place, where the tiers are asked; else --base
  --sessions N  how many are revoked, half by DELETE sessions/{id} and half by logout; 20`;
const AT_ONCE = 8;
const SESSIONS_MAX = 10_000;
const ENDINGS: readonly Ending[] = ["DELETE sessions/{id}", "logout"];

const { places, sessions } = optionsOrExit();
const findings = await Promise.all(Array.from({ length: AT_ONCE }, (_, lane) => run(lane))).then(
  (found) => found.flat(),
  (error: Error) => {
    console.error(`not measured: ${error.message}`);
    return process.exit(2);
  },
);
const broken = PROBES.filter(({ asks, boundMs }) =>
  of(asks).some(({ isRefused, acceptedMs }) => !isRefused || acceptedMs > boundMs),
);
console.log(`${sessions} sessions revoked at ${places.base}, every tier asked at ${places.via}\n`);
console.log(
  table(
    ["tier", "asked by", "p50 ms", "p99 ms", "max ms", "still accepting", "bound", ""],
    PROBES.map((one) => {
      const accepted = of(one.asks).map(({ acceptedMs }) => acceptedMs);
      const never = of(one.asks).filter(({ isRefused }) => !isRefused).length;
      const figures = [0.5, 0.99, 1].map((q) => quantile(accepted, q).toFixed(0));
      const verdict = broken.includes(one) ? "BROKEN" : "held";
      return [one.tier, one.asks, ...figures, String(never), `${one.boundMs / 1000} s`, verdict];
    }),
  ),
);
console.log(`
From the answer to the last request that was still accepted; 0 if none was.
${
  places.via === places.base
    ? `Leased and local were asked where the revocation was made, if this is one isolate (as under
\`wrangler dev\`): it refuses at once. How long another one goes on is measured only with --via.`
    : "A local KV is at once the same everywhere, and a deployed one is not: its spread is not in these figures."
}
Not measured: a service that only checks signatures. It accepts a token until its own \`exp\`.`);
process.exitCode = broken.length === 0 ? 0 : 1;

/** Every so-manieth session, one after another. */
async function run(lane: number): Promise<Finding[]> {
  const found: Finding[] = [];
  for (let i = lane; i < sessions; i += AT_ONCE) {
    found.push(...(await probe(places, ENDINGS[i % ENDINGS.length] ?? "logout")));
  }
  return found;
}

function of(asks: Finding["asks"]): Finding[] {
  return findings.filter((one) => one.asks === asks);
}

function optionsOrExit(): { places: Places; sessions: number } {
  try {
    const { values } = parseArgs({
      options: {
        base: { type: "string" },
        via: { type: "string" },
        sessions: { type: "string", default: "20" },
      },
    });
    const base = originOf(values.base);
    const count = Number(values.sessions);
    if (base === null || (values.via !== undefined && originOf(values.via) === null)) return usage();
    if (!Number.isSafeInteger(count) || count < 1 || count > SESSIONS_MAX) return usage();
    return { places: { base, via: originOf(values.via) ?? base }, sessions: count };
  } catch {
    return usage();
  }
}

function originOf(url: string | undefined): string | null {
  return (url === undefined ? null : URL.parse(url)?.origin) ?? null;
}

function usage(): never {
  console.error(USAGE);
  process.exit(2);
}
