/**
 * The audit trail, from an object: events go into the Queue, and are looked for in D1 where its
 * consumer puts them. An event's id is decided with the event, so delivering twice is one row.
 */
import { type AuditEvent, messagesOf } from "../../schema/audit-events.ts";

/** Hands events to the Queue, as few messages as hold them. */
export async function sendEvents(queue: Queue, events: readonly AuditEvent[]): Promise<void> {
  for (const message of messagesOf(events)) await queue.send(message, { contentType: "json" });
}

/** The ids of those events that are in the audit trail. */
export async function arrivedIds(db: D1Database, events: readonly AuditEvent[]): Promise<Set<string>> {
  const { results } = await db
    .prepare("SELECT id FROM audit_events WHERE id IN (SELECT value FROM json_each(?))")
    .bind(JSON.stringify(events.map(({ id }) => id)))
    .all<{ id: string }>();
  return new Set(results.map(({ id }) => id));
}
