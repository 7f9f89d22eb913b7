/**
 * `npm run admin:grant -- USERNAME [--persist-to DIR | --remote [--env NAME]]`: makes the user of
 * exactly this name an admin, which is how there is a first one. Exit status: 0 if they are one
 * now; 1 if there is no such user, or the database failed; 2 if the command line is wrong.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, runWrangler } from "../scripts/wrangler.ts";
import { grantStatements, isQuotable } from "./admin-grant.ts";
import { migrateLocal, openLocal } from "./django/local-d1.cli.ts";
import { toNumericDate } from "./time.ts";

const USAGE = "npm run admin:grant -- USERNAME [--persist-to DIR | --remote [--env NAME]]";
const DEFAULT_PERSIST_TO = ".wrangler/state";
const HEARD =
  "A deployed service tells the user's sessions within two minutes: the next refresh has the role. A local one has no schedule: sign in anew.";

class UsageError extends Error {}

type Found = { id: number; role: string; is_active: number };
type Target = { kind: "local"; persistTo: string } | { kind: "remote"; environment: string };

try {
  const { username, target } = readArguments(process.argv.slice(2));
  const statements = grantStatements(username, toNumericDate(Date.now()));
  const user = await (target.kind === "local"
    ? runLocal(statements, target.persistTo)
    : runRemote(statements, target.environment));
  if (user === undefined) throw new Error("there is no user of exactly this name");
  console.log(
    user.role === "admin"
      ? `${username} (id ${user.id}) is an admin already; nothing was changed.`
      : `${username} (id ${user.id}) is an admin now; was: ${user.role}. ${HEARD}`,
  );
  if (user.is_active !== 1)
    console.log("The account is inactive, and signs in only once it is active again.");
} catch (error) {
  const message = error instanceof Error ? error.message.trim() : String(error);
  console.error(`admin:grant: ${message}${error instanceof UsageError ? ` (usage: ${USAGE})` : ""}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function runLocal(statements: string[], persistTo: string): Promise<Found | undefined> {
  if (!existsSync(join(persistTo, "v3/d1"))) {
    throw new Error(`there is no database in ${persistTo}; start the service on it once`);
  }
  migrateLocal(persistTo);
  const database = openLocal(persistTo);
  try {
    const [found] = await database.batch<Found>(statements.map((sql) => ({ sql, params: [] })));
    return found?.[0];
  } finally {
    database.close();
  }
}

/** The account and its token are wrangler's own: `CLOUDFLARE_API_TOKEN`, or `wrangler login`. */
async function runRemote(statements: string[], environment: string): Promise<Found | undefined> {
  const command = statements.join(";\n");
  const where = ["--remote", "--env", environment, "--json", "--yes"];
  const output = await runWrangler(["d1", "execute", "DB", ...where, "--command", command]);
  const [found] = JSON.parse(output.slice(output.indexOf("["))) as { results: Found[] }[];
  return found?.results[0];
}

function readArguments(args: string[]): { username: string; target: Target } {
  const { values, positionals } = parsedArguments(args);
  const [username, ...more] = positionals;
  if (username === undefined || more.length > 0) throw new UsageError("name one user");
  if (!isQuotable(username)) throw new UsageError("that is no user name");
  const { remote, env, "persist-to": persistTo } = values;
  if (remote !== true) {
    if (env !== undefined) throw new UsageError("--env goes with --remote");
    return { username, target: { kind: "local", persistTo: resolve(ROOT, persistTo ?? DEFAULT_PERSIST_TO) } };
  }
  if (persistTo !== undefined) throw new UsageError("--persist-to is for a local database");
  return { username, target: { kind: "remote", environment: env ?? "" } };
}

function parsedArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: { remote: { type: "boolean" }, env: { type: "string" }, "persist-to": { type: "string" } },
    });
  } catch (error) {
    const [sentence = "wrong options"] = (error instanceof Error ? error.message : "").split(". ");
    throw new UsageError(sentence);
  }
}
