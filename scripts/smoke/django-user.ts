/**
 * A user whose password hash is Django's, put into D1 and taken out again. Nobody can get such a
 * hash in over HTTP: the service makes none. And a user who stays would prove it once, since the
 * first sign-in renews the hash.
 */
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { usernameKey } from "../../schema/identity.ts";
import { runWrangler } from "../wrangler.ts";

/** Where D1 is: the folder of a local service, or an environment of `wrangler.toml`. */
export type Database = { kind: "local"; persistTo: string } | { kind: "remote"; environment: string };

/** What Django 5 makes, and six times what the deployed runtime's own PBKDF2 does. */
const ITERATIONS = 600_000;
const TRIES_MAX = 5;

/** As `django.contrib.auth.hashers` writes it: the salt is text, the digest base64 with its padding. */
export function djangoHash(password: string, salt: string, iterations = ITERATIONS): string {
  const digest = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  return `pbkdf2_sha256$${iterations}$${salt}$${digest.toString("base64")}`;
}

/** Adds the user. `now` in seconds. Rejects with what wrangler said. */
export async function addDjangoUser(
  database: Database,
  { username, password, now }: { username: string; password: string; now: number },
): Promise<void> {
  const hash = djangoHash(password, randomBytes(16).toString("hex"));
  const values = [text(username), text(usernameKey(username)), text(hash), now].join(", ");
  // A command line is no place for a secret, and this is none: the password is 256 random bits.
  await execute(
    database,
    `INSERT INTO users (username, username_key, password_hash, created_at) VALUES (${values})`,
  );
}

/** Takes a user out, if the service has not: whatever else it made goes with the row. */
export async function removeUser(database: Database, username: string): Promise<void> {
  await execute(database, `DELETE FROM users WHERE username = ${text(username)}`);
}

async function execute(database: Database, statement: string): Promise<void> {
  const where =
    database.kind === "local"
      ? ["--local", "--persist-to", database.persistTo, "--env", ""]
      : ["--remote", "--env", database.environment];
  for (let tries = 1; ; tries += 1) {
    try {
      await runWrangler(["d1", "execute", "DB", ...where, "--yes", "--command", statement]);
      return;
    } catch (error) {
      // A local database does not wait for its lock by itself.
      const isBusy = error instanceof Error && /SQLITE_BUSY|database is locked/.test(error.message);
      if (!isBusy || tries === TRIES_MAX) throw error;
    }
  }
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
