/**
 * `npm run simulate -- --schedules N --seed S --verbose`: N schedules from seed S, and one line of
 * what came of them. One schedule alone is told step by step: it replays a failure.
 */
import { parseArgs } from "node:util";
import { runSchedules, seedFromClock } from "./run.ts";

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "10000" },
    seed: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});
const schedules = Number(values.schedules);
const seed = values.seed === undefined ? seedFromClock() : Number(values.seed);
if (!Number.isSafeInteger(schedules) || schedules < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  throw new Error("--schedules and --seed are whole numbers");
}

const trace = values.verbose || schedules === 1 ? { trace: (line: string) => console.log(line) } : {};
const { failures, ...summary } = await runSchedules({ seed, schedules, ...trace });
for (const failure of failures.slice(0, 10)) {
  console.log(`FAILED ${JSON.stringify(failure)}`);
  console.log(`replay: npm run simulate -- --seed ${failure.seed} --schedules 1`);
}
console.log(JSON.stringify(summary));
if (failures.length > 0) process.exitCode = 1;
