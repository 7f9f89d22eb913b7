/** Rounds of short slices: every scenario once a round, in random order, so that drift hits all alike. */
import type { Options } from "./arguments.ts";
import type { Host } from "./host.ts";
import { drive } from "./load.ts";
import type { Scenario } from "./scenarios.ts";
import { quantile, shuffled } from "./statistics.ts";

/** One slice. Times in milliseconds; `cpuMs` is the runtime's, per request. */
export type Reading = { p50: number; p95: number; perSecond: number; cpuMs: number | null; requests: number };
export type Row = { name: string; loops: number; readings: Reading[] };
export type Metric = "p50" | "perSecond" | "cpuMs";

/** Before the first round, each scenario runs until its code has been compiled for good. */
const WARM_UP_MS = 1000;
/** An object that nobody has asked for ten seconds sleeps: what a slice needs is woken before it counts. */
const LEAD_IN_MS = 200;

/** Rows in the order of the scenarios; `readings` in the order of the rounds. */
export async function measure(
  host: Host,
  scenarios: readonly Scenario[],
  { rounds, sliceMs }: Pick<Options, "rounds" | "sliceMs">,
): Promise<Row[]> {
  const measured = scenarios.flatMap((scenario) =>
    scenario.at.map((loops) => ({ name: scenario.name, scenario, loops, readings: [] as Reading[] })),
  );
  for (const { at, worker, open, isUsedUp, warmUp } of scenarios) {
    const loops = isUsedUp === true ? ((await warmUp?.()) ?? []) : await open(Math.max(...at));
    await drive(host.origins[worker], loops, WARM_UP_MS);
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const row of shuffled(measured, Math.random)) {
      row.readings.push(await slice(host, row, sliceMs));
    }
  }
  return measured.map(({ name, loops, readings }) => ({ name, loops, readings }));
}

async function slice(
  host: Host,
  row: { scenario: Scenario; loops: number },
  forMs: number,
): Promise<Reading> {
  const { scenario, loops } = row;
  const origin = host.origins[scenario.worker];
  const settled = () => (scenario.settleMs === undefined ? undefined : pause(scenario.settleMs));
  const prepared = await scenario.open(loops);
  await settled();
  const beside = await besides(origin, scenario);
  if (scenario.isUsedUp !== true) await drive(origin, prepared, LEAD_IN_MS);
  const cpuBefore = host.cpuMs();
  const { latenciesMs, elapsedMs } = await drive(origin, prepared, forMs);
  const cpuAfter = host.cpuMs();
  await beside.end();
  await settled();
  const requests = latenciesMs.length;
  return {
    p50: quantile(latenciesMs, 0.5),
    p95: quantile(latenciesMs, 0.95),
    perSecond: (requests * 1000) / elapsedMs,
    cpuMs: cpuBefore === null || cpuAfter === null ? null : (cpuAfter - cpuBefore) / requests,
    requests,
  };
}

/** What runs beside a slice, until the slice is over. */
async function besides(origin: string, scenario: Scenario): Promise<{ end: () => Promise<void> }> {
  let isOver = false;
  const loops = ((await scenario.beside?.()) ?? []).map((loop) => () => (isOver ? null : loop()));
  const running = drive(origin, loops, Number.POSITIVE_INFINITY);
  return {
    end: async () => {
      isOver = true;
      await running;
    },
  };
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}
