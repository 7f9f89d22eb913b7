import { describe, expect, it } from "vitest";
import { runSchedules, type Summary, seedFromClock } from "./run.ts";

const SCHEDULES = 5000;
const FIXED_SEED = 20_261_101;

/** The failures and how to see them again, for the message of a test that fails. */
function replays({ failures }: Summary): string {
  const lines = failures.map(
    ({ seed, findings }) => `${findings.join(", ")}: npm run simulate -- --seed ${seed} --schedules 1`,
  );
  return lines.slice(0, 5).join("\n");
}

describe("refresh, in random schedules of tabs, thieves and a bad network", () => {
  for (const seed of [FIXED_SEED, seedFromClock()]) {
    it(`keeps every invariant in ${SCHEDULES} schedules from seed ${seed}`, async () => {
      const summary = await runSchedules({ seed, schedules: SCHEDULES });
      expect(summary.failures, replays(summary)).toEqual([]);
      expect(summary).toMatchObject({
        schedules: SCHEDULES,
        falseSignOuts: 0,
        theftsOutlived: 0,
        forks: 0,
        otherFailures: 0,
      });
    });
  }

  it("comes to everything that the invariants speak of, often", async () => {
    const { steps, failures, ...counts } = await runSchedules({ seed: FIXED_SEED, schedules: 1000 });
    const { presentations, rotations, repeats, thefts, theftsEnded } = counts;
    const often = { presentations, rotations, repeats, thefts, theftsEnded };
    for (const [what, count] of Object.entries(often)) expect(count, what).toBeGreaterThan(100);
    const { lateDuplicates, lateArrivals, lateRetries } = counts;
    const late = { lateDuplicates, lateArrivals, lateRetries };
    for (const [what, count] of Object.entries(late)) expect(count, what).toBeGreaterThan(20);
  });

  it("tells the same story for the same seed, and another for another", async () => {
    const story = async (seed: number) => {
      const lines: string[] = [];
      await runSchedules({ seed, schedules: 3, trace: (line) => lines.push(line) });
      return lines.join("\n");
    };
    const told = await story(7);
    expect(await story(7)).toBe(told);
    expect(await story(8)).not.toBe(told);
  });
});
