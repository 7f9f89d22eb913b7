/**
 * The only SQL of `api_keys`. A key is read from D1 with its owner and the owner's role at each use,
 * so that a revocation, a deactivation, a demotion and an expiry hold at once, everywhere.
 */
import { base64url } from "jose";
import { API_KEYS_PER_USER_MAX, type ApiKeyClaims, parseApiKey } from "../schema/api-keys.ts";
import type { AuditEvent } from "../schema/audit-events.ts";
import { asUserId, type UserId } from "../schema/ids.ts";
import { commonPermissions, scopeOf, storedPermissions } from "../schema/permissions.ts";
import type { NumericDate } from "../schema/time.ts";
import { reach } from "./authorities.ts";
import { equalBytes } from "./passwords/equal-bytes.ts";
import { noteIfChanged } from "./untold-events.ts";

/** `last_used_at` is written at most once in so many seconds. */
const LAST_USED_SECONDS = 60;

export type ApiKeyRow = {
  key_id: string;
  name: string;
  permissions: string;
  created_at: NumericDate;
  expires_at: NumericDate | null;
  last_used_at: NumericDate | null;
};
type UsableKey = ApiKeyRow & { user_id: number; digest: string; role_permissions: string | null };

/** SHA-256 of the secret, base64url: it has 256 random bits, so nothing slower is needed. */
export async function digestOf(secret: string): Promise<string> {
  return base64url.encode(
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret))),
  );
}

const SHOWN = "key_id, api_keys.name, api_keys.permissions, api_keys.created_at, expires_at, last_used_at";

/** A key that is good at this moment, and what it may do: no more than its owner's role may. */
export type LiveKey = { row: ApiKeyRow; userId: UserId; permissions: readonly string[] };
/** `forged`: it cannot be one, or its secret is wrong. `unknown`: it may have been one. */
export type KeyVerdict = { kind: "good"; key: LiveKey } | { kind: "unknown" | "forged" };

/** Whether this is a good key. One D1 query; a mistyped one costs none. */
export async function checkKey(db: D1Database, presented: string, now: NumericDate): Promise<KeyVerdict> {
  const parsed = parseApiKey(presented);
  if (parsed === null) return { kind: "forged" };
  const row = await findUsable(db, parsed.keyId, now);
  const userId = row === null ? null : asUserId(row.user_id);
  if (row === null || userId === null) return { kind: "unknown" };
  const bytes = (text: string) => new TextEncoder().encode(text);
  if (!equalBytes(bytes(await digestOf(parsed.secret)), bytes(row.digest))) return { kind: "forged" };
  const granted = storedPermissions(row.role_permissions ?? "[]");
  return {
    kind: "good",
    key: { row, userId, permissions: commonPermissions(storedPermissions(row.permissions), granted) },
  };
}

/** What other services are told of the key. */
export function keyClaims({ row, userId, permissions }: LiveKey): ApiKeyClaims {
  const scope = scopeOf(permissions);
  return {
    key_id: row.key_id,
    sub: String(userId),
    user_id: userId,
    ...(scope === undefined ? {} : { scope }),
    iat: row.created_at,
    ...(row.expires_at === null ? {} : { exp: row.expires_at }),
  };
}

/** The key, if its owner is active and it has not expired; null if there is none. */
async function findUsable(db: D1Database, keyId: string, now: NumericDate): Promise<UsableKey | null> {
  return reach("database", () =>
    db
      .prepare(
        `SELECT ${SHOWN}, user_id, digest, roles.permissions AS role_permissions FROM api_keys
         JOIN users ON users.id = user_id AND is_active = 1 LEFT JOIN roles ON roles.name = users.role
         WHERE key_id = ?1 AND (expires_at IS NULL OR expires_at > ?2)`,
      )
      .bind(keyId, now)
      .first<UsableKey>(),
  );
}

/** The user's keys, newest first. */
export async function listKeys(db: D1Database, userId: UserId): Promise<ApiKeyRow[]> {
  const query = `SELECT ${SHOWN} FROM api_keys WHERE user_id = ? ORDER BY created_at DESC, key_id`;
  const { results } = await reach("database", () => db.prepare(query).bind(userId).all<ApiKeyRow>());
  return results;
}

export type NewKey = {
  keyId: string;
  userId: UserId;
  name: string;
  digest: string;
  permissions: readonly string[];
  now: NumericDate;
  expiresAt: NumericDate | null;
};

/** False if the user has as many keys as one may have: one statement, so that no race makes more. Notes the event. */
export async function insertKey(db: D1Database, key: NewKey, event: AuditEvent): Promise<boolean> {
  const { keyId, userId, name, digest, permissions, now, expiresAt } = key;
  const [made] = await reach("database", () =>
    db.batch([
      db
        .prepare(
          `INSERT INTO api_keys (key_id, user_id, name, digest, permissions, created_at, expires_at)
           SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
           WHERE (SELECT count(*) FROM api_keys WHERE user_id = ?2) < ?8`,
        )
        .bind(
          ...[keyId, userId, name, digest, JSON.stringify(permissions), now, expiresAt],
          API_KEYS_PER_USER_MAX,
        ),
      noteIfChanged(db, event),
    ]),
  );
  return (made?.meta.changes ?? 0) > 0;
}

/** Revokes one of the user's own keys and notes the event; false if there is none of this id. */
export async function deleteKey(
  db: D1Database,
  userId: UserId,
  keyId: string,
  event: AuditEvent,
): Promise<boolean> {
  const statement = db.prepare("DELETE FROM api_keys WHERE key_id = ? AND user_id = ? RETURNING key_id");
  const [gone] = await reach("database", () =>
    db.batch([statement.bind(keyId, userId), noteIfChanged(db, event)]),
  );
  return (gone?.results.length ?? 0) > 0;
}

/** Notes a use, once in a minute and after the answer; of many at once, one is written. Of no consequence if it is lost. */
export function noteUse(
  { env, ctx }: { env: Env; ctx: Pick<ExecutionContext, "waitUntil"> },
  { row }: LiveKey,
  now: NumericDate,
): void {
  const noted = now - LAST_USED_SECONDS;
  if (row.last_used_at !== null && row.last_used_at > noted) return;
  const update = env.DB.prepare(
    "UPDATE api_keys SET last_used_at = ?2 WHERE key_id = ?1 AND (last_used_at IS NULL OR last_used_at <= ?3)",
  );
  ctx.waitUntil(
    update
      .bind(row.key_id, now, noted)
      .run()
      .catch(() => undefined),
  );
}
