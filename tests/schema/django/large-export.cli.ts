/** `npm run large-export -- FILE [--users N]`: writes an export of N users (200,000), half as many sessions and tokens. */
import { closeSync, openSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { dumpdata } from "./large-export.ts";

const DEFAULT_USERS = "200000";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { users: { type: "string", default: DEFAULT_USERS } },
});
const [file] = positionals;
const users = Number(values.users);
if (file === undefined || !Number.isInteger(users) || users < 1) {
  console.error("usage: npm run large-export -- FILE [--users N]");
  process.exit(2);
}
const output = openSync(file, "wx");
const half = Math.floor(users / 2);
for (const text of dumpdata({ users, sessions: half, tokens: half })) writeSync(output, text);
closeSync(output);
