/** The audit trail in D1. An event's id is decided with the event, so delivering twice is one row. */
import { type AuditEvent, EVENT_RISKS } from "../../schema/audit-events.ts";

/** Appends events in one transaction; ones that are there already are left as they are. */
export async function writeEvents(db: D1Database, events: readonly AuditEvent[]): Promise<void> {
  const insert = db.prepare(
    `INSERT OR IGNORE INTO audit_events
       (id, at, type, risk, user_id, sid, reason, request_id, ip, country, user_agent, details)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  await db.batch(
    events.map((event) =>
      insert.bind(
        event.id,
        event.at,
        event.type,
        EVENT_RISKS[event.type],
        event.userId,
        event.sid,
        event.reason,
        event.requestId,
        event.client.ip,
        event.client.country,
        event.client.userAgent,
        JSON.stringify(event.details),
      ),
    ),
  );
}
