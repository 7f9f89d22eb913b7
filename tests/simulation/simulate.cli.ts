/**
 * `npm run simulate -- --schedules N --seed S --verbose`: N schedules from seed S, and one line of
 * what came of them. One schedule alone is told step by step: it replays a failure.
 */
import { optionsOrExit } from "./options.ts";
import { runSchedules } from "./run.ts";

const { count: schedules, seed, isVerbose } = optionsOrExit("simulate", "schedules", 10_000);

const trace = isVerbose || schedules === 1 ? { trace: (line: string) => console.log(line) } : {};
const { failures, ...summary } = await runSchedules({ seed, schedules, ...trace });
for (const failure of failures.slice(0, 10)) {
  console.log(`FAILED ${JSON.stringify(failure)}`);
  console.log(`replay: npm run simulate -- --seed ${failure.seed} --schedules 1`);
}
console.log(JSON.stringify(summary));
if (failures.length > 0) process.exitCode = 1;
