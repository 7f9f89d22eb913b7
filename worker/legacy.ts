/**
 * What Django gave its users, looked up in D1: whose it is, and whether it may still open their
 * account. Only imported users have any: an id of Django's may be somebody else's here.
 */
import { isLegacyOpen, type Legacy } from "../schema/legacy.ts";
import { log } from "../schema/log.ts";
import { type NumericDate, toIso } from "../schema/time.ts";
import type { UserRow } from "../schema/users.ts";
import { isOfPassword, readSession, sessionDigest } from "./auth/django-session.ts";
import { reach } from "./authorities.ts";
import { type AppContext, serviceOf } from "./context.ts";
import type { DjangoToken } from "./tokens/django-token.ts";
import { COLUMNS } from "./users.ts";

const warned = new WeakSet<Legacy>();

/** The settings by which something of Django's may be accepted now, or null. */
export function legacyOf(c: AppContext): Legacy | null {
  const { legacy } = serviceOf(c).config;
  const { now } = c.get("facts");
  if (!isLegacyOpen(legacy, now)) return null;
  if (legacy.isKeyPublic && !warned.has(legacy)) {
    warned.add(legacy);
    const reason = "whoever knows DJANGO_SECRET_KEY can sign in as any imported user until LEGACY_UNTIL";
    log(toIso(now), {
      level: "error",
      event: "legacy_key_is_public",
      settings: ["DJANGO_SECRET_KEY"],
      reason,
    });
  }
  return legacy;
}

/** Of `users`. What Django gave stands for a password alone, so who has a second factor must sign in. */
const MAY_ENTER = `is_active = 1 AND NOT EXISTS (SELECT 1 FROM migration_end)
  AND NOT EXISTS (SELECT 1 FROM totp WHERE totp.user_id = users.id AND activated_at IS NOT NULL)`;

/** The user of a token that Django signed, or null if it may not open their account any more. */
export async function findTokenUser(db: D1Database, { userId, jti }: DjangoToken): Promise<UserRow | null> {
  return reach("database", () =>
    db
      .prepare(
        `SELECT ${COLUMNS} FROM users JOIN imported_users ON imported_users.user_id = users.id
         WHERE id = ?1 AND ${MAY_ENTER}
           AND NOT EXISTS (SELECT 1 FROM django_refused WHERE django_refused.user_id = ?1)
           AND NOT EXISTS (SELECT 1 FROM django_tokens WHERE jti = ?2 AND blacklisted = 1)`,
      )
      .bind(userId, jti)
      .first<UserRow>(),
  );
}

export type SessionUser = {
  row: UserRow;
  digest: string;
  savedAt: NumericDate;
  expiresAt: NumericDate;
  isExchanged: boolean;
};

/**
 * The user of a Django session by its key, or null: there is no such row, it has expired, or what is
 * in it was not signed by Django for this user with the password that they have now.
 */
export async function findSessionUser(
  db: D1Database,
  legacy: Legacy,
  key: string,
  now: NumericDate,
): Promise<SessionUser | null> {
  const digest = await sessionDigest(key);
  if (digest === null) return null;
  const row = await reach("database", () =>
    db
      .prepare(
        `SELECT ${COLUMNS}, session_data, expires_at, exchanged_at
         FROM django_sessions JOIN users ON users.id = django_sessions.user_id
           JOIN imported_users ON imported_users.user_id = users.id
         WHERE digest = ?1 AND expires_at > ?2 AND ${MAY_ENTER}`,
      )
      .bind(digest, now)
      .first<UserRow & { session_data: string; expires_at: NumericDate; exchanged_at: NumericDate | null }>(),
  );
  if (row === null) return null;
  const session = await readSession(legacy, row.session_data);
  if (session === null || session.userId !== String(row.id)) return null;
  if (!(await isOfPassword(legacy, session, row.password_hash))) return null;
  const { expires_at: expiresAt, exchanged_at } = row;
  return { row, digest, savedAt: session.savedAt, expiresAt, isExchanged: exchanged_at !== null };
}

/**
 * Notes that a session was exchanged: from then on it is good for nothing but being shown again to
 * the exchange, of which its user's object is the judge.
 */
export async function recordExchange(db: D1Database, digest: string, now: NumericDate): Promise<void> {
  const note = "UPDATE django_sessions SET exchanged_at = ? WHERE digest = ? AND exchanged_at IS NULL";
  await reach("database", () => db.prepare(note).bind(now, digest).run());
}
