/** What a new isolate computes before it can answer anybody: wrangler's own profile of the bundle's first run. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runWrangler } from "../../scripts/wrangler.ts";
import type { Goal } from "./goals.ts";
import { spreadOf } from "./statistics.ts";

/** The part of a `.cpuprofile` that tells how long what ran; times in microseconds. */
export type Profile = {
  nodes: { id: number; callFrame: { functionName: string } }[];
  samples: number[];
  timeDeltas: number[];
};

const STARTS = 5;

export async function coldStartGoal(): Promise<Goal> {
  const directory = await mkdtemp(join(tmpdir(), "session-authority-start-"));
  try {
    const found: number[] = [];
    for (let i = 0; i < STARTS; i += 1) {
      const file = join(directory, `${i}.cpuprofile`);
      await runWrangler(["check", "startup", "--outfile", file]);
      found.push(busyMs(JSON.parse(await readFile(file, "utf8"))));
    }
    return { name: "cold start, CPU", found: spreadOf(found), unit: "ms", atMost: 50 };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Milliseconds in which something ran. */
export function busyMs({ nodes, samples, timeDeltas }: Profile): number {
  const idle = new Set(
    nodes.filter(({ callFrame }) => callFrame.functionName === "(idle)").map(({ id }) => id),
  );
  const busyUs = samples.reduce((sum, id, index) => (idle.has(id) ? sum : sum + (timeDeltas[index] ?? 0)), 0);
  return busyUs / 1000;
}
