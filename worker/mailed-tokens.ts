/**
 * Mailed tokens, and the only SQL of `mailed_tokens` and of the changes that one of them allows.
 *
 * A token is 256 bits that follow from the id of its mail, how long that has waited, and a key that
 * only the edge holds; D1 keeps its SHA-256. It is good once, while it is the newest of its user and purpose, and as long as
 * the user is what it was made for: `password_version` is `users.version`, which every change of
 * password, e-mail, role or activity moves (RST-01, RST-05). To confirm an address only that matters.
 */
import { base64url } from "jose";
import type { Config } from "../schema/config.ts";
import { emailKey, usernameKey } from "../schema/identity.ts";
import type { TokenId } from "../schema/ids.ts";
import type { MailedPurpose } from "../schema/mail.ts";
import type { NumericDate } from "../schema/time.ts";
import type { UserRow } from "../schema/users.ts";
import { tellUnknown } from "./abuse.ts";
import { reach } from "./authorities.ts";
import type { AppContext } from "./context.ts";
import { type ProblemCode, Refusal } from "./http/problems.ts";
import { keyedHash } from "./tokens/refresh-key.ts";
import { COLUMNS } from "./users.ts";

const TOKEN = /^[A-Za-z0-9_-]{43}$/;
/** A good token of `?1` digest at `?2` now, beside its user. */
const IS_GOOD = `digest = ?1 AND used_at IS NULL AND expires_at > ?2 AND user_id = users.id AND users.is_active = 1
  AND CASE purpose WHEN 'email_verify' THEN mailed_tokens.email = users.email
    ELSE password_version = users.version END`;
const USE = "UPDATE mailed_tokens SET used_at = ?2 WHERE digest = ?1 AND used_at IS NULL";

/** The token of a mail in this round of trying to send it: always the same, and nobody else can make it. */
export async function mailedToken(
  config: Config,
  purpose: MailedPurpose,
  mail: { id: TokenId; round: number },
): Promise<string> {
  return base64url.encode(await keyedHash(config, `mailed:${purpose}`, `${mail.id}.${mail.round}`));
}

/**
 * Which token a mail carries that has waited for so long. An attempt whose answer was lost may have
 * been delivered, so no token's life is ever renewed (RST-01); after half of it the next attempt
 * brings another one, which retires it, so that what arrives late is good for half a life at least.
 */
export function roundOf({ waitedMs, ttlSeconds }: { waitedMs: number; ttlSeconds: number }): number {
  return Math.floor(Math.max(0, waitedMs) / (ttlSeconds * 500));
}

export type Issue = {
  token: string;
  purpose: MailedPurpose;
  user: UserRow;
  email: string;
  /** The order of asking, in milliseconds: an older one never replaces a newer one. */
  askedAtMs: number;
  now: NumericDate;
  ttlSeconds: number;
};

/**
 * Makes the token good, and every older one of the user and purpose bad. Again for the same token:
 * nothing changes, its end least of all. False if a newer one exists, if the mail's token was used,
 * or if the user has changed since `user` was read or the mail's first token was made.
 */
export async function issueToken(db: D1Database, issue: Issue): Promise<boolean> {
  const { token, purpose, user, email, askedAtMs, now, ttlSeconds } = issue;
  const digest = await digestOf(token);
  const [issued] = await reach("database", () =>
    db.batch([
      db
        .prepare(
          `INSERT INTO mailed_tokens
             (digest, user_id, purpose, email, password_version, created_at, issued_at_ms, expires_at)
           SELECT ?1, id, ?3, ?4, version, ?6, ?7, ?8 FROM users
           WHERE id = ?2 AND version = ?5 AND is_active = 1 AND NOT EXISTS (SELECT 1 FROM mailed_tokens AS other
             WHERE other.user_id = ?2 AND other.purpose = ?3 AND (other.issued_at_ms > ?7
               OR (other.issued_at_ms = ?7 AND (other.used_at IS NOT NULL OR other.email <> ?4
                 OR (?3 <> 'email_verify' AND other.password_version <> ?5)))))
           ON CONFLICT (digest) DO UPDATE SET expires_at = expires_at
           RETURNING digest`,
        )
        .bind(digest, user.id, purpose, email, user.version, now, askedAtMs, now + ttlSeconds),
      db
        .prepare(
          `DELETE FROM mailed_tokens WHERE user_id = ?1 AND purpose = ?2 AND digest <> ?3 AND issued_at_ms <= ?4
             AND EXISTS (SELECT 1 FROM mailed_tokens AS newest WHERE newest.digest = ?3)`,
        )
        .bind(user.id, purpose, digest, askedAtMs),
    ]),
  );
  return issued?.results.length === 1;
}

export type FoundToken = { digest: string; user: UserRow; purpose: MailedPurpose; email: string };
/** `over`: used, expired, or of before a change of the user. `unknown`: never made, for something else, or replaced by a newer one. */
type Finding = ({ kind: "good" } & FoundToken) | { kind: "over" | "unknown" };

/** Whose good token this is, if it is one of these purposes; looking uses nothing up. One query. */
async function findToken(
  db: D1Database,
  token: string,
  purposes: readonly MailedPurpose[],
  now: NumericDate,
): Promise<Finding> {
  if (!TOKEN.test(token)) return { kind: "unknown" };
  const digest = await digestOf(token);
  const ofToken = (column: string) => `(SELECT mailed_tokens.${column} FROM mailed_tokens WHERE digest = ?1)`;
  const query = `SELECT ${COLUMNS}, ${ofToken("purpose")} AS purpose, ${ofToken("email")} AS mailed_to,
    EXISTS (SELECT 1 FROM mailed_tokens WHERE ${IS_GOOD}) AS is_good FROM users WHERE id = ${ofToken("user_id")}`;
  type Row = UserRow & { purpose: MailedPurpose; mailed_to: string; is_good: number };
  const row = await reach("database", () => db.prepare(query).bind(digest, now).first<Row>());
  if (row === null || !purposes.includes(row.purpose)) return { kind: "unknown" };
  const { purpose, mailed_to, is_good, ...user } = row;
  return is_good === 1 ? { kind: "good", digest, user, purpose, email: mailed_to } : { kind: "over" };
}

/** The good token of one of these purposes, or the refusal; an unknown one is told (contract §2). */
export async function requireToken(
  c: AppContext,
  token: string,
  purposes: readonly MailedPurpose[],
  refusal: ProblemCode,
): Promise<FoundToken> {
  const found = await findToken(c.env.DB, token, purposes, c.get("facts").now);
  if (found.kind === "good") return found;
  if (found.kind === "unknown") await tellUnknown(c);
  throw new Refusal(refusal);
}

/** Uses the token up and sets the password, in one transaction; null if somebody was faster (RST-02). */
export async function useForPassword(
  db: D1Database,
  { digest }: FoundToken,
  passwordHash: string,
  now: NumericDate,
): Promise<UserRow | null> {
  const change = `UPDATE users SET password_hash = ?3, version = version + 1
    WHERE EXISTS (SELECT 1 FROM mailed_tokens WHERE ${IS_GOOD} AND purpose = 'password_reset')
      AND id = (SELECT user_id FROM mailed_tokens WHERE digest = ?1) RETURNING ${COLUMNS}`;
  return use(db, db.prepare(change).bind(digest, now, passwordHash), digest, now);
}

/** Uses the token up and notes that the address is the user's; null if somebody was faster. */
export async function useForVerification(
  db: D1Database,
  { digest }: FoundToken,
  now: NumericDate,
): Promise<UserRow | null> {
  const change = `UPDATE users SET email_verified = 1
    WHERE EXISTS (SELECT 1 FROM mailed_tokens WHERE ${IS_GOOD} AND purpose = 'email_verify')
      AND id = (SELECT user_id FROM mailed_tokens WHERE digest = ?1) RETURNING ${COLUMNS}`;
  return use(db, db.prepare(change).bind(digest, now), digest, now);
}

/** Uses the token up and makes its address the user's; null if somebody was faster, or has the address. */
export async function useForNewEmail(
  db: D1Database,
  { digest, email }: FoundToken,
  now: NumericDate,
): Promise<UserRow | null> {
  const change = `UPDATE users SET email = ?3, email_key = ?4, email_verified = 1, version = version + 1
    WHERE EXISTS (SELECT 1 FROM mailed_tokens WHERE ${IS_GOOD} AND purpose = 'email_change')
      AND id = (SELECT user_id FROM mailed_tokens WHERE digest = ?1) AND NOT ${isTaken("?4", "?5", "users.id")}
    RETURNING ${COLUMNS}`;
  const bound = [digest, now, email, emailKey(email), usernameKey(email)];
  return use(db, db.prepare(change).bind(...bound), digest, now);
}

/** Uses the token up for what an object does; false if somebody was faster. */
export async function useToken(db: D1Database, { digest }: FoundToken, now: NumericDate): Promise<boolean> {
  const { meta } = await reach("database", () => db.prepare(USE).bind(digest, now).run());
  return meta.changes === 1;
}

/** Whether another account has this address, or a name that reads like it (contract §3). */
export async function isEmailTaken(db: D1Database, email: string, by: UserRow): Promise<boolean> {
  const query = `SELECT ${isTaken("?1", "?2", "?3")} AS taken`;
  const row = await reach("database", () =>
    db.prepare(query).bind(emailKey(email), usernameKey(email), by.id).first<{ taken: number }>(),
  );
  return row?.taken === 1;
}

/** SQL: another account than `id` has this address, or a name that reads like it. */
function isTaken(key: string, name: string, id: string): string {
  return `(EXISTS (SELECT 1 FROM users AS other WHERE other.email_key = ${key} AND other.id <> ${id})
    OR EXISTS (SELECT 1 FROM users AS other WHERE other.username_key = ${name} AND other.id <> ${id}))`;
}

/** The change that the token allows, then its end: the user's version may move in between. */
async function use(
  db: D1Database,
  change: D1PreparedStatement,
  digest: string,
  now: NumericDate,
): Promise<UserRow | null> {
  const ifChanged = `${USE} AND changes() > 0`;
  const [changed] = await reach("database", () =>
    db.batch<UserRow>([change, db.prepare(ifChanged).bind(digest, now)]),
  );
  return changed?.results[0] ?? null;
}

async function digestOf(token: string): Promise<string> {
  const bytes = new TextEncoder().encode(token);
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
