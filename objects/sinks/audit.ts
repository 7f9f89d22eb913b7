/** The audit trail in D1. An event's id is decided with the event, so delivering twice is one row. */
import { type AuditEvent, eventValues, INSERT_EVENT } from "../../schema/audit-events.ts";

/** Appends events in one transaction; ones that are there already are left as they are. */
export async function writeEvents(db: D1Database, events: readonly AuditEvent[]): Promise<void> {
  const insert = db.prepare(INSERT_EVENT);
  await db.batch(events.map((event) => insert.bind(...eventValues(event))));
}
