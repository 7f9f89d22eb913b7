/** `npm run large-export -- FILE [--users N]`: writes an export of N users (200,000), half as many sessions and tokens. */
import { closeSync, openSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { dumpdata } from "./large-export.ts";

const DEFAULT_USERS = "200000";
const WHOLE = /^[1-9][0-9]{0,8}$/;

const { file, users } = optionsOrExit();
const output = openOrExit(file);
const half = Math.floor(users / 2);
for (const text of dumpdata({ users, sessions: half, tokens: half })) writeSync(output, text);
closeSync(output);

function optionsOrExit(): { file: string; users: number } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { users: { type: "string", default: DEFAULT_USERS } },
    });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new Error("name one file");
    if (!WHOLE.test(values.users)) throw new Error("--users is a whole number");
    return { file, users: Number(values.users) };
  } catch (error) {
    return fail(`${messageOf(error)}\nusage: npm run large-export -- FILE [--users N]`, 2);
  }
}

function openOrExit(path: string): number {
  try {
    return openSync(path, "wx");
  } catch (error) {
    return fail(messageOf(error), 1);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fail(message: string, status: number): never {
  console.error(`large-export: ${message}`);
  process.exit(status);
}
