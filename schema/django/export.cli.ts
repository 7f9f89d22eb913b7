/**
 * `npm run export:django -- FILE --local [--persist-to DIR]`: writes every user of the local D1 as a fixture for
 * Django's `loaddata`, with the passwords as they are now. A file that is there is not overwritten. Exit status: 0;
 * 1 if the database or the file failed; 2 if the command line is wrong.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../scripts/wrangler.ts";
import { type ExportedUser, fixtureOf } from "./fixture.ts";
import { type LocalDatabase, openLocalAsIs } from "./local-d1.cli.ts";

const USAGE = "npm run export:django -- FILE --local [--persist-to DIR]";
const DEFAULT_PERSIST_TO = ".wrangler/state";
const OWNER_ONLY = 0o600;
const PAGE = 1_000;
const QUERY = `
  SELECT id, username, email, password_hash, role, is_active, created_at, last_login, first_name, last_name
  FROM users LEFT JOIN profiles ON profiles.user_id = id WHERE id > ? ORDER BY id LIMIT ${PAGE}`;

try {
  await run();
} catch (error) {
  console.error(`export:django: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode ||= 1;
}

async function run(): Promise<void> {
  const { file, persistTo } = readArguments();
  const database = await openLocalAsIs(persistTo);
  if (database === null) throw new Error(`there is no database under ${persistTo}`);
  try {
    const output = openSync(file, "wx", OWNER_ONLY);
    const users = await writeUsers(database, (text) => writeSync(output, text));
    closeSync(output);
    console.log(JSON.stringify({ file, users }));
  } finally {
    database.close();
  }
}

async function writeUsers(db: LocalDatabase, write: (text: string) => void): Promise<number> {
  let users = 0;
  let after = 0;
  write("[");
  for (;;) {
    const [page = []] = await db.batch<ExportedUser>([{ sql: QUERY, params: [String(after)] }]);
    for (const user of page) {
      write(`${users === 0 ? "" : ","}\n${JSON.stringify(fixtureOf(user))}`);
      users += 1;
    }
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.id;
  }
  write("\n]\n");
  return users;
}

function readArguments(): { file: string; persistTo: string } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { local: { type: "boolean" }, "persist-to": { type: "string" } },
    });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new Error("name one file");
    if (values.local !== true) throw new Error("say --local: there is no other source yet");
    return { file, persistTo: resolve(ROOT, values["persist-to"] ?? DEFAULT_PERSIST_TO) };
  } catch (error) {
    process.exitCode = 2;
    const [sentence = "wrong options"] = (error instanceof Error ? error.message : "").split(". ");
    throw new Error(`${sentence} (usage: ${USAGE})`);
  }
}
