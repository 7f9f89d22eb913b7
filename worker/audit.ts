/** Events that no object decides, straight into D1's audit trail. An event's id makes it one row. */
import { type AuditEvent, eventValues, INSERT_EVENT } from "../schema/audit-events.ts";

/** Appends events in one transaction; ones that are there already are left as they are. */
export async function recordEvents(db: D1Database, events: readonly AuditEvent[]): Promise<void> {
  if (events.length === 0) return; // D1 refuses an empty batch
  const insert = db.prepare(INSERT_EVENT);
  await db.batch(events.map((event) => insert.bind(...eventValues(event))));
}
