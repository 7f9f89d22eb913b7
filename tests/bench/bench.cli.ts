/**
 * `npm run bench -- [--quick] [--json FILE]`: what the service costs, as ratios to what the platform
 * itself costs in the same run. Says what it finds; a missed goal does not fail it.
 */
import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { type Options, readOptions } from "./arguments.ts";
import { callGoals, countCalls } from "./calls.ts";
import { bundleGoal, type Goal, operationGoals } from "./goals.ts";
import { measureGrowth } from "./growth.ts";
import { type Host, startHost } from "./host.ts";
import { hangUp } from "./load.ts";
import { type Machine, machine } from "./machine.ts";
import { measure } from "./measure.ts";
import { callsTable, goalsTable, machineLines, operationsTable, soakLine } from "./report.ts";
import { floors, ours } from "./scenarios.ts";
import { soak } from "./soak.ts";
import { coldStartGoal } from "./start.ts";
import { insertUsers, registeredHash, setHash, signIn, USERS } from "./users.ts";

const options = optionsOrExit();
const before = machine();
const host = await startHost();
try {
  await run(host, options, before);
} finally {
  hangUp();
  await host.stop();
}

async function run(host: Host, options: Options, before: Machine): Promise<void> {
  await insertUsers(host, USERS.count);
  const hash = await registeredHash(host);
  await setHash(host, hash, USERS.hashed.from, USERS.hashed.to);
  const goals: Goal[] = [];
  const found: Record<string, unknown> = {};

  if (options.parts.includes("operations")) {
    say("operations");
    const users = await signIn(host, range(USERS.signedIn.from, USERS.signedIn.to));
    const all = [...floors(users, hash), ...ours(host, users, options)];
    const chosen = all.filter(({ name }) => options.only === null || name.includes(options.only));
    const rows = await measure(host, chosen, options);
    goals.push(...operationGoals(rows, options.revokeSizes));
    found.operations = rows;
    console.log(`\n${operationsTable(rows, chosen)}`);
  }
  if (options.parts.includes("growth")) {
    say("growth");
    const growth = await measureGrowth(host, options, USERS.growing.from);
    goals.push(...growth.goals);
    found.growth = growth.rows;
    console.log(`\n${operationsTable(growth.rows, [])}`);
  }
  if (options.parts.includes("calls")) {
    say("object calls");
    const counts = await countCalls(host, USERS.counted.from);
    goals.push(...callGoals(counts));
    found.calls = counts;
    console.log(`\n${callsTable(counts)}`);
  }
  if (options.parts.includes("start")) {
    say("cold starts");
    goals.push(await coldStartGoal());
  }
  if (options.parts.includes("soak")) {
    say(`memory, for ${options.minutes} minutes`);
    const { goal, ...soaked } = await soak(host, options.minutes, USERS.spare);
    goals.push(goal);
    found.soak = soaked;
    console.log(`\n${soakLine(soaked)}`);
  }
  goals.push(bundleGoal(host.service.gzipBytes));
  console.log(`\n${goalsTable(goals)}\n\n${machineLines(before, loadavg()[0] ?? Number.NaN)}`);
  if (options.json !== null) {
    const everything = { machine: before, loadAfter: loadavg()[0], options, ...found, goals };
    writeFileSync(options.json, `${JSON.stringify(everything, null, 2)}\n`);
  }
}

function optionsOrExit(): Options {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof RangeError ? error.message : error);
    return process.exit(2);
  }
}

function say(part: string): void {
  console.error(`measuring ${part} …`);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
