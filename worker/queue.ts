/**
 * The Queue's consumer: audit events of all users, in large batches, into D1. A message may come
 * more than once and in any order; an event's id makes it one row, counted once.
 */
import { type Alert, alertsOf, auditStuck, isAlarming } from "../schema/alerts.ts";
import { type AuditEvent, eventsOf } from "../schema/audit-events.ts";
import { log } from "../schema/log.ts";
import { toIso, toNumericDate } from "../schema/time.ts";
import { storeEvents } from "./audit-store.ts";
import { alertDesk } from "./authorities.ts";
import { readClockMs, settingsOf } from "./context.ts";

const RETRY_SECONDS = 5;
/** A message that failed so often has been under way for a minute. */
const STUCK_ATTEMPTS = 5;
/** A hundred tries an hour apart are the four days that the Queue keeps a message. */
const RETRY_SECONDS_MAX = 3600;

/** Stores a batch. What cannot be stored now comes back later, and what cannot be read does not hold up the rest. */
export async function queue(batch: MessageBatch, env: Env): Promise<void> {
  const now = toIso(toNumericDate(readClockMs()));
  const settings = settingsOf(env);
  const readable: { message: Message; events: AuditEvent[] }[] = [];
  for (const message of batch.messages) {
    const events = eventsOf(message.body);
    if (events !== null) readable.push({ message, events });
    else {
      // Another release may know it; in the end it waits in the dead-letter queue for somebody to look.
      log(now, { level: "error", event: "audit_message_unreadable", reason: message.id });
      retryLater(message);
    }
  }
  // Alerts first: an alarming event that is in the trail has been raised, whatever happens in between.
  const alarming = readable.flatMap(({ events }) => events).filter(isAlarming);
  const isRaised = alarming.length === 0 || (await raise(env, alertsOf(alarming), now));
  const storable = isRaised ? readable : readable.filter(({ events }) => !events.some(isAlarming));
  for (const { message } of readable)
    if (!storable.some((one) => one.message === message)) retryLater(message);
  try {
    if (settings.kind === "wrong") throw new Error("the settings are wrong");
    await storeEvents(
      env.DB,
      settings.config,
      storable.flatMap(({ events }) => events),
    );
    for (const { message } of storable) message.ack();
  } catch (error) {
    log(now, { level: "error", event: "audit_store_failed", reason: String(error).slice(0, 200) });
    for (const { message } of storable) retryLater(message);
    if (storable.some(({ message }) => message.attempts >= STUCK_ATTEMPTS)) {
      await raise(env, [auditStuck("database", toNumericDate(readClockMs()))], now);
    }
  }
}

async function raise(env: Env, alerts: Alert[], now: string): Promise<boolean> {
  try {
    await alertDesk(env).raise(alerts);
    return true;
  } catch (error) {
    log(now, { level: "error", event: "alert_not_raised", reason: String(error).slice(0, 200) });
    return false;
  }
}

function retryLater(message: Message): void {
  message.retry({ delaySeconds: Math.min(RETRY_SECONDS * 2 ** (message.attempts - 1), RETRY_SECONDS_MAX) });
}
