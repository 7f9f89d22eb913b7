/** The only SQL of `totp` at the edge. Every call can throw an `Outage` (503). */
import type { UserId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { UserRow } from "../../schema/users.ts";
import { reach } from "../authorities.ts";
import type { Sealed } from "../encryption.ts";
import { COLUMNS } from "../users.ts";

export type Enrolment = Sealed & {
  userId: UserId;
  /** Names the secret, here and in the user's object. */
  enrolment: string;
  recoveryDigests: string[];
  isActive: boolean;
};

type Row = {
  enrolment: string;
  key_id: string;
  secret: string;
  recovery_digests: string;
  activated_at: number | null;
};

/** The user's enrolment, active or not, or null. */
export async function findEnrolment(db: D1Database, userId: UserId): Promise<Enrolment | null> {
  const row = await reach("database", () =>
    db
      .prepare("SELECT enrolment, key_id, secret, recovery_digests, activated_at FROM totp WHERE user_id = ?")
      .bind(userId)
      .first<Row>(),
  );
  if (row === null) return null;
  return {
    userId,
    enrolment: row.enrolment,
    keyId: row.key_id,
    sealed: row.secret,
    recoveryDigests: JSON.parse(row.recovery_digests) as string[],
    isActive: row.activated_at !== null,
  };
}

/** Puts a secret that waits to be activated in the place of an earlier such one; false if one is active. */
export async function putPending(
  db: D1Database,
  { userId, enrolment, keyId, sealed }: Pick<Enrolment, "userId" | "enrolment" | "keyId" | "sealed">,
  now: NumericDate,
): Promise<boolean> {
  const written = await reach("database", () =>
    db
      .prepare(
        `INSERT INTO totp (user_id, enrolment, key_id, secret, created_at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (user_id) DO UPDATE SET enrolment = excluded.enrolment, key_id = excluded.key_id,
           secret = excluded.secret, created_at = excluded.created_at
         WHERE activated_at IS NULL RETURNING 1`,
      )
      .bind(userId, enrolment, keyId, sealed, now)
      .first(),
  );
  return written !== null;
}

/**
 * Activates exactly this pending secret; the user as changed by it, or null if it is not there (any
 * more), or if the user has changed since `user` was read.
 */
export async function activateEnrolment(
  db: D1Database,
  user: UserRow,
  { userId, enrolment }: Pick<Enrolment, "userId" | "enrolment">,
  recoveryDigests: readonly string[],
  now: NumericDate,
): Promise<UserRow | null> {
  const isPending = "user_id = ?1 AND enrolment = ?2 AND activated_at IS NULL";
  const change = db
    .prepare(`UPDATE totp SET activated_at = ?3, recovery_digests = ?4 WHERE ${isPending} AND changes() > 0`)
    .bind(userId, enrolment, now, JSON.stringify(recoveryDigests));
  return changedWith(db, user, enrolment, isPending, change);
}

/** Removes exactly this active secret and its recovery codes; the user as changed by it, or null likewise. */
export async function removeEnrolment(
  db: D1Database,
  user: UserRow,
  { userId, enrolment }: Pick<Enrolment, "userId" | "enrolment">,
): Promise<UserRow | null> {
  const isActive = "user_id = ?1 AND enrolment = ?2 AND activated_at IS NOT NULL";
  const change = db.prepare(`DELETE FROM totp WHERE ${isActive} AND changes() > 0`).bind(userId, enrolment);
  return changedWith(db, user, enrolment, isActive, change);
}

/** Up to `limit` secrets of users after `afterId`, pending ones too, that one of these keys encrypted. */
export async function findSealedBy(
  db: D1Database,
  keyIds: readonly string[],
  afterId: number,
  limit: number,
): Promise<Pick<Enrolment, "userId" | "enrolment" | "keyId" | "sealed">[]> {
  const { results } = await reach("database", () =>
    db
      .prepare(
        `SELECT user_id AS userId, enrolment, key_id AS keyId, secret AS sealed FROM totp
         WHERE key_id IN (SELECT value FROM json_each(?)) AND user_id > ? ORDER BY user_id LIMIT ?`,
      )
      .bind(JSON.stringify(keyIds), afterId, limit)
      .all<Pick<Enrolment, "userId" | "enrolment" | "keyId" | "sealed">>(),
  );
  return results;
}

/** Replaces what exactly this secret is encrypted by. */
export async function replaceSealed(
  db: D1Database,
  rows: readonly { enrolment: string; before: Sealed; after: Sealed }[],
): Promise<void> {
  if (rows.length === 0) return; // D1 refuses an empty batch
  const update = db.prepare(
    "UPDATE totp SET key_id = ?, secret = ? WHERE enrolment = ? AND key_id = ? AND secret = ?",
  );
  await reach("database", () =>
    db.batch(
      rows.map(({ enrolment, before, after }) =>
        update.bind(after.keyId, after.sealed, enrolment, before.keyId, before.sealed),
      ),
    ),
  );
}

/**
 * In one transaction, under one condition on `totp`: the version of the user that was read grows, so
 * that a login that read it too is told so (`stale`), and then the change is made.
 */
async function changedWith(
  db: D1Database,
  user: UserRow,
  enrolment: string,
  condition: string,
  change: D1PreparedStatement,
): Promise<UserRow | null> {
  const grow = db
    .prepare(
      `UPDATE users SET version = version + 1
       WHERE id = ?1 AND version = ?3 AND EXISTS (SELECT 1 FROM totp WHERE ${condition}) RETURNING ${COLUMNS}`,
    )
    .bind(user.id, enrolment, user.version);
  const [grown] = await reach("database", () => db.batch<UserRow>([grow, change]));
  return grown?.results[0] ?? null;
}
