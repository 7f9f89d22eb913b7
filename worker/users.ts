/** The only SQL of `users` and `profiles` at the edge. Every call can throw an `Outage` (503). */
import { base64url } from "jose";
import { emailKey, normalizeUsername, usernameKey } from "../schema/identity.ts";
import type { UserId } from "../schema/ids.ts";
import type { NumericDate } from "../schema/time.ts";
import type { UserRow } from "../schema/users.ts";
import { reach } from "./authorities.ts";

/** What a `UserRow` holds. */
export const COLUMNS = `id, username, email, email_verified, password_hash, role, is_active, version,
  password_version, created_at, last_login,
  EXISTS (SELECT 1 FROM totp WHERE totp.user_id = users.id AND totp.activated_at IS NOT NULL) AS has_second_factor`;

/**
 * The four searches of a login, in one query, so that all names cost the same: the exact user
 * name, the normalised one, the e-mail (two rows tell that several hold it), and a decoy.
 */
const LOGIN_QUERY = `
  SELECT 1 AS rank, ${COLUMNS} FROM users WHERE username = ?1
  UNION ALL SELECT 2, ${COLUMNS} FROM users WHERE username = ?2 AND ?2 <> ?1
  UNION ALL SELECT * FROM (SELECT 3, ${COLUMNS} FROM users WHERE email_key = ?3 LIMIT 2)
  UNION ALL SELECT * FROM (SELECT 4, ${COLUMNS} FROM users
    WHERE id > (SELECT max(id) FROM users) * ?4 ORDER BY id LIMIT 1)`;

export type LoginCandidates = {
  user: UserRow | null;
  /** Some user's hash, the same one for the same name: what checking a name that nobody has must cost. */
  decoyHash: string | null;
};

/**
 * Looks for whom `typed` names (contract §3): the exact user name, then the normalised one, then
 * the e-mail if exactly one account holds it. `decoyAt` in [0, 1) picks the decoy.
 */
export async function findForLogin(db: D1Database, typed: string, decoyAt: number): Promise<LoginCandidates> {
  const { results } = await reach("database", () =>
    db
      .prepare(LOGIN_QUERY)
      .bind(typed, normalizeUsername(typed), emailKey(typed), decoyAt)
      .all<UserRow & { rank: number }>(),
  );
  const ranked = (rank: number) => results.filter((row) => row.rank === rank);
  const byEmail = ranked(3);
  return {
    user: ranked(1)[0] ?? ranked(2)[0] ?? (byEmail.length === 1 ? (byEmail[0] ?? null) : null),
    decoyHash: ranked(4)[0]?.password_hash ?? null,
  };
}

/** Accounts that one address may belong to: imported ones share it. */
const SHARED_EMAIL_MAX = 10;

/** Every account that this address belongs to, as it is compared. */
export async function findByEmail(db: D1Database, email: string): Promise<UserRow[]> {
  const query = `SELECT ${COLUMNS} FROM users WHERE email_key = ? ORDER BY id LIMIT ?`;
  const { results } = await reach("database", () =>
    db.prepare(query).bind(emailKey(email), SHARED_EMAIL_MAX).all<UserRow>(),
  );
  return results;
}

/** The user, or null. */
export async function findUser(db: D1Database, id: UserId): Promise<UserRow | null> {
  const query = `SELECT ${COLUMNS} FROM users WHERE id = ?`;
  return reach("database", () => db.prepare(query).bind(id).first<UserRow>());
}

export type NewUser = { username: string; email: string | null; passwordHash: string; now: NumericDate };

/**
 * Inserts an account unless its name or e-mail belongs to another in any case; null if it does.
 * One statement, so that two registrations at once cannot both find the name free.
 */
export async function createUser(db: D1Database, user: NewUser): Promise<UserRow | null> {
  const { username, email, passwordHash, now } = user;
  return reach("database", () =>
    db
      .prepare(
        `INSERT INTO users (username, username_key, email, email_key, password_hash, created_at, last_login)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?6
       WHERE NOT EXISTS (SELECT 1 FROM users WHERE username_key = ?2)
         AND NOT EXISTS (SELECT 1 FROM users WHERE email_key = ?4)
         AND NOT EXISTS (SELECT 1 FROM users WHERE username_key = ?7)
       RETURNING ${COLUMNS}`,
      )
      .bind(
        username,
        usernameKey(username),
        email,
        email === null ? null : emailKey(email),
        passwordHash,
        now,
        email === null ? null : usernameKey(email), // a name that reads like this e-mail is somebody's
      )
      .first<UserRow>(),
  );
}

/**
 * Replaces the hash that was verified, and only that one: a password changed meanwhile stays. Of a user who was
 * imported it is noted that the new hash is of the same password, so that a change in Django still counts.
 */
export async function replaceHash(
  db: D1Database,
  id: UserId,
  verified: string,
  renewed: string,
): Promise<void> {
  const [before, after] = await Promise.all([verified, renewed].map(hashDigest));
  await reach("database", () =>
    db.batch([
      db
        .prepare(
          `UPDATE imported_users SET renewed_digest = ?4
           WHERE user_id = ?1 AND ?3 IN (password_digest, renewed_digest)
             AND EXISTS (SELECT 1 FROM users WHERE id = ?1 AND password_hash = ?2)`,
        )
        .bind(id, verified, before, after),
      db
        .prepare("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?")
        .bind(renewed, id, verified),
    ]),
  );
}

/** As the import tells a hash again: SHA-256, base64url, of a JSON array with the one text. */
async function hashDigest(encoded: string): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify([encoded]));
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** Replaces the password of the user that was read, and of no later version; null if there is one. */
export async function changePassword(
  db: D1Database,
  user: UserRow,
  renewed: string,
): Promise<UserRow | null> {
  const query = `UPDATE users SET password_hash = ?, version = version + 1
    WHERE id = ? AND version = ? AND password_hash = ? AND is_active = 1 RETURNING ${COLUMNS}`;
  const bound = [renewed, user.id, user.version, user.password_hash];
  return reach("database", () =>
    db
      .prepare(query)
      .bind(...bound)
      .first<UserRow>(),
  );
}

/** Notes the time of a login, and the first one of an imported user. Of no consequence if it is lost. */
export async function recordLogin(db: D1Database, id: UserId, now: NumericDate): Promise<void> {
  await db.batch([
    db.prepare("UPDATE users SET last_login = ? WHERE id = ?").bind(now, id),
    db
      .prepare("UPDATE imported_users SET signed_in_at = ? WHERE user_id = ? AND signed_in_at IS NULL")
      .bind(now, id),
  ]);
}

export type ProfileRow = {
  first_name: string | null;
  last_name: string | null;
  avatar_url: string | null;
  timezone: string | null;
  language: string | null;
};

/** The user with the profile, or null. */
export async function findWithProfile(db: D1Database, id: UserId): Promise<(UserRow & ProfileRow) | null> {
  return reach("database", () =>
    db
      .prepare(
        `SELECT ${COLUMNS}, first_name, last_name, avatar_url, timezone, language
       FROM users LEFT JOIN profiles ON profiles.user_id = users.id WHERE id = ?`,
      )
      .bind(id)
      .first<UserRow & ProfileRow>(),
  );
}
