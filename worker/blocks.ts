/** D1's list of blocked addresses: read for admins, and rid of what has ended. */
import type { BlockRow } from "../schema/abuse.ts";
import type { NumericDate } from "../schema/time.ts";
import { Outage } from "./http/problems.ts";

/** Ended rows wait so long: a decision that arrives late must meet the newer one. */
const KEPT_SECONDS = 86_400;
const BATCH = 500;
const BATCHES_MAX = 20;

/** What stands now, by address, after `after`. */
export async function listBlocks(
  db: D1Database,
  now: NumericDate,
  after: string,
  limit: number,
): Promise<BlockRow[]> {
  const query = db.prepare(
    `SELECT address, scope, cause, reason, actor, created_at, expires_at FROM address_blocks
     WHERE expires_at > ? AND address > ? ORDER BY address LIMIT ?`,
  );
  try {
    return (await query.bind(now, after, limit).all<BlockRow>()).results;
  } catch (error) {
    throw new Outage("database", error);
  }
}

/** Deletes what ended a day ago, so many rows at a time; the next day does what is left. */
export async function purgeBlocks(db: D1Database, now: NumericDate): Promise<void> {
  const purge = db.prepare(
    `DELETE FROM address_blocks WHERE address IN
       (SELECT address FROM address_blocks WHERE expires_at <= ? LIMIT ?)`,
  );
  for (let i = 0; i < BATCHES_MAX; i += 1) {
    const { meta } = await purge.bind(now - KEPT_SECONDS, BATCH).run();
    if (meta.changes < BATCH) return;
  }
}
