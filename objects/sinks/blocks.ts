/** The list of blocks in D1, for admins to see: each address's object writes its own row. */
import type { BlockRow } from "../../schema/abuse.ts";

/** Writes the row; an older decision that arrives late changes nothing. */
export async function writeBlock(db: D1Database, row: BlockRow & { revision: number }): Promise<void> {
  const { address, scope, cause, reason, actor, created_at, expires_at, revision } = row;
  await db
    .prepare(
      `INSERT INTO address_blocks (address, scope, cause, reason, actor, created_at, expires_at, revision)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (address) DO UPDATE SET scope = excluded.scope, cause = excluded.cause,
         reason = excluded.reason, actor = excluded.actor, created_at = excluded.created_at,
         expires_at = excluded.expires_at, revision = excluded.revision
       WHERE excluded.revision > address_blocks.revision`,
    )
    .bind(address, scope, cause, reason, actor, created_at, expires_at, revision)
    .run();
}
