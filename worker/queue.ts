/**
 * The Queue's consumer: audit events of all users, in large batches, into D1. A message may come
 * more than once and in any order; an event's id makes it one row, counted once. What could not be
 * stored in four days waits in the dead-letter queue, which comes here, too.
 */
import { auditStuck, isAlarming } from "../schema/alerts.ts";
import { type AuditEvent, eventsOf } from "../schema/audit-events.ts";
import { log } from "../schema/log.ts";
import { toIso, toNumericDate } from "../schema/time.ts";
import { raiseAlarms } from "./audit.ts";
import { storeEvents } from "./audit-store.ts";
import { alertDesk } from "./authorities.ts";
import { readClockMs, settingsOf } from "./context.ts";

/** As in `wrangler.toml`. */
const RETRIES_MAX = 100;
const DEAD_LETTERS = "-dead";

const RETRY_SECONDS = 5;
/** A message that failed so often has been under way for a minute. */
const STUCK_ATTEMPTS = 5;
/** A hundred tries an hour apart are the four days that the Queue keeps a message. */
const RETRY_SECONDS_MAX = 3600;
/** A hundred tries three hours apart are twelve of the fourteen days that the dead-letter queue does. */
const DEAD_RETRY_SECONDS = 10_800;

type Readable = { message: Message; events: AuditEvent[] };

/** Stores a batch. What cannot be stored now comes back later, and what cannot be read does not hold up the rest. */
export async function queue(batch: MessageBatch, env: Env): Promise<void> {
  const now = toIso(toNumericDate(readClockMs()));
  const isDead = batch.queue.endsWith(DEAD_LETTERS);
  const left: Message[] = [];
  const readable: Readable[] = [];
  for (const message of batch.messages) {
    const events = eventsOf(message.body);
    if (events !== null) readable.push({ message, events });
    else {
      // Another release may know it.
      log(now, { level: "error", event: "audit_message_unreadable", reason: message.id });
      left.push(message);
    }
  }
  // Alerts first: an alarming event that is in the trail has been raised, whatever happens in between.
  const isRaised = await attempt(now, "alert_not_raised", () =>
    raiseAlarms(
      env,
      readable.flatMap(({ events }) => events),
    ),
  );
  const storable = isRaised ? readable : readable.filter(({ events }) => !events.some(isAlarming));
  const isStored = await attempt(now, "audit_store_failed", () => store(env, storable));
  const done = new Set(isStored ? storable.map(({ message }) => message) : []);
  left.push(...readable.map(({ message }) => message).filter((message) => !done.has(message)));

  for (const message of done) message.ack();
  for (const message of left) {
    if (isDead && message.attempts > RETRIES_MAX)
      log(now, { level: "error", event: "audit_message_lost", reason: message.id });
    message.retry({ delaySeconds: isDead ? DEAD_RETRY_SECONDS : delaySeconds(message) });
  }
  if (left.some(({ attempts }) => isDead || attempts >= STUCK_ATTEMPTS)) {
    const stuck = auditStuck(isDead ? "dead letters" : "database", toNumericDate(readClockMs()));
    await attempt(now, "alert_not_raised", () => alertDesk(env).raise([stuck]));
  }
}

async function store(env: Env, storable: readonly Readable[]): Promise<void> {
  const settings = settingsOf(env);
  if (settings.kind === "wrong") throw new Error("the settings are wrong");
  await storeEvents(
    env.DB,
    settings.config,
    storable.flatMap(({ events }) => events),
  );
}

/** True if it was done; else a line in the log says why not. */
async function attempt(now: string, event: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    log(now, { level: "error", event, reason: String(error).slice(0, 200) });
    return false;
  }
}

function delaySeconds({ attempts }: Message): number {
  return Math.min(RETRY_SECONDS * 2 ** (attempts - 1), RETRY_SECONDS_MAX);
}
