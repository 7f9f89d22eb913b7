/**
 * `npm run export:django -- FILE (--local [--persist-to DIR] | --remote --env NAME)`: writes every user as a fixture for
 * Django's `loaddata`, with the passwords as they are now. A file that is there is not overwritten. stdout gets one JSON
 * object, which names the ids that Django still has and whose users were deleted here. Exit status: 0; 1 if the database
 * or the file failed; 2 if the command line is wrong.
 */
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import type { ImportDatabase } from "./database.ts";
import { type ExportedUser, fixtureOf } from "./fixture.ts";
import { TARGET_OPTIONS, type Target, targetOf, UsageError, wrongOptions } from "./import-arguments.cli.ts";
import { openLocalAsIs } from "./local-d1.cli.ts";
import { persistently } from "./persistently.ts";
import { openRemote } from "./remote-d1.cli.ts";

const USAGE = "npm run export:django -- FILE (--local [--persist-to DIR] | --remote --env NAME)";
const OWNER_ONLY = 0o600;
const PAGE = 1_000;
const USERS = `
  SELECT id, username, email, password_hash, role, is_active, created_at, last_login, first_name, last_name
  FROM users LEFT JOIN profiles ON profiles.user_id = id WHERE id > ? ORDER BY id LIMIT ${PAGE}`;
const DELETED = `
  SELECT user_id AS id FROM imported_users
  WHERE user_id > ? AND NOT EXISTS (SELECT 1 FROM users WHERE users.id = user_id) ORDER BY user_id LIMIT ${PAGE}`;

try {
  await run();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`export:django: ${message}${error instanceof UsageError ? ` (usage: ${USAGE})` : ""}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run(): Promise<void> {
  const { file, target } = readArguments();
  const { db, close } = await openTarget(target);
  try {
    const output = openSync(file, "wx", OWNER_ONLY);
    let users = 0;
    try {
      writeSync(output, "[");
      for await (const user of pagesOf<ExportedUser>(db, USERS)) {
        writeSync(output, `${users === 0 ? "" : ","}\n${JSON.stringify(fixtureOf(user))}`);
        users += 1;
      }
      writeSync(output, "\n]\n");
    } catch (error) {
      unlinkSync(file); // half of the users look like all of them
      throw error;
    } finally {
      closeSync(output);
    }
    const deleted = await Array.fromAsync(pagesOf<{ id: number }>(db, DELETED), ({ id }) => id);
    console.log(JSON.stringify({ file, users, deleted }));
  } finally {
    close();
  }
}

/** Yields every row, a page at a time. */
async function* pagesOf<Row extends { readonly id: number }>(
  db: ImportDatabase,
  sql: string,
): AsyncGenerator<Row> {
  let after = 0;
  for (;;) {
    const statement = { sql, params: [String(after)] };
    const [page = []] = await persistently(() => db.batch<Row>([statement]));
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}

async function openTarget(target: Target): Promise<{ db: ImportDatabase; close: () => void }> {
  if (target.kind === "remote") return { db: await openRemote(target.environment), close: () => undefined };
  const db = await openLocalAsIs(target.persistTo);
  if (db === null) throw new Error(`there is no database under ${target.persistTo}`);
  return { db, close: db.close };
}

function readArguments(): { file: string; target: Target } {
  const { values, positionals } = parsedArguments();
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new UsageError("name one file");
  return { file, target: targetOf(values) };
}

function parsedArguments() {
  try {
    return parseArgs({ allowPositionals: true, options: TARGET_OPTIONS });
  } catch (error) {
    throw wrongOptions(error);
  }
}
