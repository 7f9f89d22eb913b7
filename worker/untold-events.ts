/**
 * Events of changes that the edge makes in D1: noted in the transaction of the change, told right
 * after it, and by the run of every minute where that failed or never happened. So no change is
 * without its event, and none is refused for want of a trail. The only SQL of `untold_events`,
 * but for what notes a change of a user (`admin-users.ts`).
 */
import { type AuditEvent, eventsOf } from "../schema/audit-events.ts";
import { log } from "../schema/log.ts";
import { type NumericDate, toIso } from "../schema/time.ts";
import { recordEvents } from "./audit.ts";

/** Told at once: one transaction of the trail. */
const EVENTS_MAX = 500;

/** For the batch of a change, right after its statement: notes the event if that has changed anything. */
export function noteIfChanged(db: D1Database, event: AuditEvent): D1PreparedStatement {
  return db
    .prepare("INSERT INTO untold_events (id, at, event) SELECT ?1, ?2, ?3 WHERE changes() > 0")
    .bind(event.id, event.at, JSON.stringify(event));
}

/**
 * Tells what was noted, by whomever: two who tell the same event at once, or one who dies before
 * it is forgotten here, make one row by its id. Throws if neither D1 nor the Queue takes it; what
 * another release noted waits for it.
 */
export async function tellUntoldEvents(env: Env, now: NumericDate): Promise<void> {
  const { results } = await env.DB.prepare("SELECT event FROM untold_events ORDER BY at LIMIT ?")
    .bind(EVENTS_MAX)
    .all<{ event: string }>();
  const events = results.flatMap(({ event }) => eventsOf({ events: [JSON.parse(event)] }) ?? []);
  if (events.length < results.length)
    log(toIso(now), { level: "error", event: "audit_message_unreadable", reason: "untold_events" });
  if (events.length === 0) return;
  await recordEvents(env, events);
  await env.DB.prepare("DELETE FROM untold_events WHERE id IN (SELECT value FROM json_each(?))")
    .bind(JSON.stringify(events.map(({ id }) => id)))
    .run();
}

/** The same right after a change, which is made and answered in any case: never throws. */
export async function tellAtOnce(env: Env, now: NumericDate): Promise<void> {
  await tellUntoldEvents(env, now).catch((error: unknown) => {
    const reason = String(error).slice(0, 200);
    log(toIso(now), { level: "error", event: "audit_unavailable", reason });
  });
}
