/**
 * The SQL of the users' import. Many rows go into few statements as one JSON parameter each: a statement a row would be
 * many times as slow, and D1 counts statements.
 */
import type { NumericDate } from "../time.ts";
import type { ImportDatabase, Statement } from "./database.ts";
import type { Digests, Present, PresentUser, Update } from "./decide-import.ts";
import type { ImportedUser } from "./users.ts";

export type UserWrite =
  | { readonly kind: "add"; readonly row: ImportedUser; readonly digests: Digests }
  | {
      readonly kind: "change";
      readonly row: ImportedUser;
      readonly present: PresentUser;
      readonly update: Update;
    };

type PresentRow = Omit<PresentUser, "imported" | "renewedDigest"> & {
  renewed_digest: string | null;
  source_digest: string | null;
  account_digest: string | null;
  password_digest: string | null;
};

/** Looks for all of these users at once; the answer tells of each what is here. */
export async function findPresent(
  db: ImportDatabase,
  rows: readonly ImportedUser[],
): Promise<(row: ImportedUser) => Present> {
  const ids = JSON.stringify(rows.map(({ id }) => id));
  const names = JSON.stringify(rows.map(({ username }) => username));
  const present = `
    SELECT users.id, username, username_key, email, email_key, email_verified, password_hash, role, is_active, version,
      created_at, last_login, first_name, last_name, source_digest, account_digest, password_digest,
      renewed_digest
    FROM users
    LEFT JOIN profiles ON profiles.user_id = users.id
    LEFT JOIN imported_users ON imported_users.user_id = users.id
    WHERE users.id IN (SELECT value FROM json_each(?1)) OR username IN (SELECT value FROM json_each(?2))`;
  const deleted = `
    SELECT user_id FROM imported_users
    WHERE user_id IN (SELECT value FROM json_each(?1))
      AND NOT EXISTS (SELECT 1 FROM users WHERE users.id = user_id)`;
  const [found = [], gone = []] = await db.batch<PresentRow & { user_id: number }>([
    { sql: present, params: [ids, names] },
    { sql: deleted, params: [ids] },
  ]);
  const byId = new Map(found.map(({ user_id: _, ...row }) => [row.id, asPresentUser(row)]));
  const idOfUsername = new Map(found.map(({ id, username }) => [username, id]));
  const deletedIds = new Set(gone.map(({ user_id }) => user_id));
  return ({ id, username }) => ({
    byId: byId.get(id) ?? null,
    idOfUsername: idOfUsername.get(username) ?? null,
    isDeleted: deletedIds.has(id),
  });
}

/**
 * Writes all of these in one transaction, except users that a running service came before since `findPresent`: by
 * giving out their id or name, or by changing the account or its password. Resolves to the ids that were written.
 */
export async function writeUsers(
  db: ImportDatabase,
  writes: readonly UserWrite[],
  now: NumericDate,
): Promise<ReadonlySet<number>> {
  const added = writes.flatMap((one) =>
    one.kind === "add" ? [{ ...one.row, ...one.row.profile, ...one.digests }] : [],
  );
  const changed = writes.flatMap((one) => (one.kind === "change" ? [changedRow(one)] : []));
  const answers = await db.batch<{ written?: number }>([
    ...(added.length === 0 ? [] : insertStatements(JSON.stringify(added), String(now))),
    ...(changed.length === 0 ? [] : updateStatements(JSON.stringify(changed), String(now))),
  ]);
  const ids = answers.flatMap((rows) => rows.map(({ written }) => written));
  return new Set(ids.filter((id) => id !== undefined));
}

function changedRow({ present: { id, version, password_hash }, update }: UserWrite & { kind: "change" }) {
  return { ...update, ...{ id, version, seen_hash: password_hash }, ...update.profile, ...update.digests };
}

/** A name that no rule for names allows, of a row that is never seen. */
const RESERVING = "\u0001reserved";

/**
 * Lets new accounts have ids above `highestId` from now on: a running service would else give out those of users who
 * are still to come. A row that comes and goes in one transaction does it, in plain SQL.
 */
export async function reserveIds(db: ImportDatabase, highestId: number): Promise<void> {
  await db.batch([
    {
      sql: `INSERT INTO users (id, username, username_key, password_hash, is_active, created_at)
            VALUES (?1, ?2, ?2, '!', 0, 0) ON CONFLICT DO NOTHING`,
      params: [String(highestId), RESERVING],
    },
    { sql: "DELETE FROM users WHERE id = ?1 AND username = ?2", params: [String(highestId), RESERVING] },
  ]);
}

/** A column of the JSON parameter. */
const of = (name: string): string => `value ->> '${name}'`;
const DIGESTS = [of("source"), of("account"), of("password")];
const NAMES = [of("first_name"), of("last_name")];
const HAS_NAMES = `${of("first_name")} IS NOT NULL`;

function insertStatements(rows: string, now: string): Statement[] {
  const columns = `id, username, username_key, email, email_key, email_verified, password_hash, role, is_active,
    created_at, last_login`;
  // The salted hash tells the user just written from one who was made here under the same id and name.
  const written = `json_each(?1) JOIN users ON users.id = ${of("id")} AND username = ${of("username")}
    AND password_hash = ${of("password_hash")}`;
  return [
    {
      sql: `INSERT INTO users (${columns}) SELECT ${columns.replaceAll(/\w+/g, of)} FROM json_each(?1) WHERE true
         ON CONFLICT DO NOTHING RETURNING id AS written`,
      params: [rows],
    },
    {
      sql: `INSERT INTO imported_users (user_id, source_digest, account_digest, password_digest)
         SELECT users.id, ${DIGESTS} FROM ${written} WHERE true ON CONFLICT DO NOTHING`,
      params: [rows],
    },
    {
      sql: `INSERT INTO profiles (user_id, first_name, last_name, updated_at)
         SELECT users.id, ${NAMES}, ?2 FROM ${written} WHERE ${HAS_NAMES} ON CONFLICT DO NOTHING`,
      params: [rows, now],
    },
  ];
}

function updateStatements(rows: string, now: string): Statement[] {
  const isAsSeen = `users.id = ${of("id")} AND version = ${of("version")} AND users.password_hash = ${of("seen_hash")}
    AND NOT EXISTS (SELECT 1 FROM users AS other WHERE other.username = ${of("username")} AND other.id <> users.id)`;
  const asSeen = `json_each(?1) JOIN users ON ${isAsSeen}`;
  return [
    {
      sql: `UPDATE imported_users SET (source_digest, account_digest, password_digest) = (${DIGESTS})
         FROM ${asSeen} WHERE user_id = users.id`,
      params: [rows],
    },
    {
      sql: `INSERT INTO profiles (user_id, first_name, last_name, updated_at)
         SELECT users.id, ${NAMES}, ?2 FROM ${asSeen} WHERE ${HAS_NAMES}
         ON CONFLICT (user_id) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name,
           updated_at = excluded.updated_at`,
      params: [rows, now],
    },
    // A running service tells the user's object within two minutes.
    {
      sql: `INSERT INTO user_changes (user_id, version, actor, at, ends_sessions)
         SELECT users.id, users.version + 1, 'operator', ?2, users.password_hash <> ${of("password_hash")}
         FROM ${asSeen}
         WHERE (users.username, role, is_active, users.password_hash)
           IS NOT (${of("username")}, ${of("role")}, ${of("is_active")}, ${of("password_hash")})
         ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, actor = excluded.actor, at = excluded.at,
           ends_sessions = max(ends_sessions, excluded.ends_sessions)`,
      params: [rows, now],
    },
    // Last, since it ends what the others ask for.
    {
      sql: `UPDATE users SET version = version + 1,
           username = ${of("username")}, username_key = ${of("username_key")},
           email_verified = CASE WHEN email IS ${of("email")} THEN email_verified ELSE 0 END,
           email = ${of("email")}, email_key = ${of("email_key")}, role = ${of("role")},
           is_active = ${of("is_active")}, created_at = ${of("created_at")},
           password_hash = ${of("password_hash")}, last_login = ${of("last_login")}
         FROM json_each(?1) WHERE ${isAsSeen} RETURNING id AS written`,
      params: [rows],
    },
  ];
}

function asPresentUser(row: PresentRow): PresentUser {
  const { source_digest: source, account_digest: account, password_digest: password, ...rest } = row;
  const { renewed_digest: renewedDigest, ...user } = rest;
  const isImported = source !== null && account !== null && password !== null;
  return { ...user, renewedDigest, imported: isImported ? { source, account, password } : null };
}
