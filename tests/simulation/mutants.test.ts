import { describe, expect, it } from "vitest";
import { MUTANTS } from "./mutants.ts";
import { REAL } from "./object-model.ts";
import { runSchedules } from "./run.ts";

const SEEDS = [1, 1_000_000, 3_000_000_000];
const SCHEDULES_MAX = 2000;

describe("a decision that is wrong on purpose is caught", () => {
  for (const { name, decisions, caughtAs } of MUTANTS) {
    for (const seed of SEEDS) {
      it(`${name} (seed ${seed})`, async () => {
        const run = await runSchedules({ seed, schedules: SCHEDULES_MAX, failuresMax: 20, decisions });
        const caught = run.failures.find(({ findings }) => findings.some((one) => caughtAs.includes(one)));
        if (caught === undefined) throw new Error(`not in ${run.schedules} schedules: ${name}`);

        const again = await runSchedules({ seed: caught.seed, schedules: 1, decisions });
        expect(again.failures, "its own seed replays it alone").toEqual([{ ...caught, schedule: 1 }]);
        const right = await runSchedules({ seed: caught.seed, schedules: 1 });
        expect(right.failures, "and the real decision passes there").toEqual([]);
      });
    }

    it(`${name}: also by its answers and rows alone, with the right decision for the probes`, async () => {
      const options = { seed: 1, schedules: SCHEDULES_MAX, failuresMax: 20, decisions, probed: REAL };
      const { failures } = await runSchedules(options);
      expect(failures.flatMap(({ findings }) => findings)).toContain(caughtAs[0]);
    });
  }
});
