/** Forgetting what Django had handed out, once nobody can use it any more. */
import type { NumericDate } from "../schema/time.ts";

const BATCH = 2_000;
const BATCHES_MAX = 50;
/** Above every moment: as a bound, not as a condition of its own, so that the index finds the rows. */
const NUMERIC_DATE_MAX = Number.MAX_SAFE_INTEGER;
const KEYS = [
  ["django_sessions", "digest"],
  ["django_tokens", "jti"],
] as const;

/**
 * Deletes sessions and tokens of Django that have expired, and all of them after the move was finished:
 * so many rows at a time; the next day does what is left.
 */
export async function purgeDjangoLeftovers(db: D1Database, now: NumericDate): Promise<void> {
  for (const [table, key] of KEYS) {
    const purge = db.prepare(
      `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table}
         WHERE expires_at <= iif(EXISTS (SELECT 1 FROM migration_end), ${NUMERIC_DATE_MAX}, ?) LIMIT ?)`,
    );
    for (let i = 0; i < BATCHES_MAX; i += 1) {
      const { meta } = await purge.bind(now, BATCH).run();
      if (meta.changes < BATCH) break;
    }
  }
}
