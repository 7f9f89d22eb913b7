/**
 * Deleting an account, step by step, each of which may be repeated:
 *
 * 1. D1 closes the account, unless it is the last admin's: nobody signs in any more, and the wish
 *    is written down.
 * 2. The user's object ends every session and remembers that the user is gone, so that a login
 *    which read the row before can open none.
 * 3. D1 deletes the row, and with it whatever names it as its owner.
 *
 * Whoever dies between two steps has left a wish; the run of every minute finishes it.
 */
import { asUserId, type UserId } from "../schema/ids.ts";
import type { NumericDate } from "../schema/time.ts";
import type { EraseAnswer, Origin } from "../schema/user-authority.ts";
import { reach, userAuthority } from "./authorities.ts";

/** A request that is still under way finishes its deletion itself; D1 ends a query after 30 s. */
const UNFINISHED_AFTER_SECONDS = 60;
const UNFINISHED_MAX = 100;
/** Long after the last event about a deleted user can have arrived (a queue keeps one two weeks at most). */
const REMEMBERED_SECONDS = 7_776_000;
const NOBODY = { ip: null, country: null, userAgent: null };

/** Step 1. False, and nothing is closed, for the last admin that can sign in. */
export async function closeAccount(db: D1Database, id: UserId, now: NumericDate): Promise<boolean> {
  const [, , asked] = await reach("database", () =>
    db.batch([
      db
        .prepare(
          `INSERT INTO deletions (user_id, asked_at)
           SELECT id, ?2 FROM users WHERE id = ?1 AND (role <> 'admin' OR EXISTS (
             SELECT 1 FROM users AS other WHERE other.role = 'admin' AND other.is_active = 1 AND other.id <> ?1))
           ON CONFLICT DO NOTHING`,
        )
        .bind(id, now),
      db
        .prepare(
          `UPDATE users SET is_active = 0, version = version + 1
           WHERE id = ?1 AND is_active = 1 AND id IN (SELECT user_id FROM deletions)`,
        )
        .bind(id),
      db.prepare("SELECT 1 FROM deletions WHERE user_id = ?1").bind(id),
    ]),
  );
  return asked?.results.length === 1;
}

/** Steps 2 and 3. `already`, and D1 is left to whoever was first, if the object had erased the user before. */
export async function eraseAccount(env: Env, userId: UserId, origin: Origin): Promise<EraseAnswer> {
  const answer = await reach("user_authority", () => userAuthority(env, userId).erase({ userId, ...origin }));
  if (answer.kind === "erased") await deleteRow(env.DB, userId);
  return answer;
}

/**
 * Finishes what was begun and not finished, and forgets what was finished long ago. Each is tried;
 * throws, for the next run to try again, if one could not be finished.
 */
export async function finishDeletions(env: Env, now: NumericDate, requestId: string): Promise<void> {
  const { results } = await env.DB.prepare(
    `SELECT user_id AS id FROM deletions WHERE asked_at <= ? AND user_id IN (SELECT id FROM users) LIMIT ?`,
  )
    .bind(now - UNFINISHED_AFTER_SECONDS, UNFINISHED_MAX)
    .all<{ id: number }>();
  const finished = await Promise.allSettled(
    results.map(async ({ id }) => {
      const userId = asUserId(id);
      if (userId === null) throw new Error("users.id is a positive integer");
      const { kind } = await eraseAccount(env, userId, { client: NOBODY, requestId });
      if (kind === "already") await deleteRow(env.DB, userId);
    }),
  );
  await env.DB.prepare("DELETE FROM deletions WHERE asked_at <= ? AND user_id NOT IN (SELECT id FROM users)")
    .bind(now - REMEMBERED_SECONDS)
    .run();
  const failed = finished.find(({ status }) => status === "rejected");
  if (failed !== undefined) throw new Error("a deletion could not be finished");
}

/** Profile, mailed tokens and keys go with the row, and the audit trail forgets (`0007_deletions.sql`). */
async function deleteRow(db: D1Database, id: UserId): Promise<void> {
  await reach("database", () =>
    db.prepare("DELETE FROM users WHERE id = ?1 AND id IN (SELECT user_id FROM deletions)").bind(id).run(),
  );
}
