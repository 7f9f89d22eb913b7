/**
 * Telling the audit trail from the edge. `tell` is for events of low risk: sent through the Queue
 * after the answer, together with those of other requests, and lost with the machine. `recordEvents`
 * is for events that must not be lost and that no object decides.
 */
import { alertsOf, isAlarming } from "../schema/alerts.ts";
import { type AuditEvent, messagesOf } from "../schema/audit-events.ts";
import { log } from "../schema/log.ts";
import { isFresh, toIso } from "../schema/time.ts";
import { storeEvents } from "./audit-store.ts";
import { alertDesk } from "./authorities.ts";
import { type AppContext, readClockMs, settingsOf } from "./context.ts";

/** How long events wait for others: a message costs the same with one event and with a hundred. */
const GATHER_MS = 250;
/** Kept over an outage of the Queue. */
const WAITING_MAX = 1000;
/** Refused requests are told one by one for so many addresses at a time, beyond which as one number. */
const TALLIES_MAX = 50;

let waiting: AuditEvent[] = [];
/** Since when somebody waits for others, in milliseconds; nobody does after `GATHER_MS`, should they have been cut off. */
let gatheringSinceMs = Number.NEGATIVE_INFINITY;

/** What a route knows of an event; the request says the rest. */
export type Telling = Pick<AuditEvent, "type"> &
  Partial<Pick<AuditEvent, "id" | "userId" | "actor" | "sid" | "reason" | "details">>;

/** Tells an event of low risk, after the answer. One a type and request, unless `id` says otherwise. */
export function tell(c: AppContext, telling: Telling): void {
  c.set("isTold", true);
  waiting.push(eventOf(c, telling));
  gather(c);
}

/** Counts a refused request, in one event for all that its address is refused at this moment. */
export function tally(c: AppContext, type: "request_limited" | "request_blocked"): void {
  const { actor, ...event } = eventOf(c, { type }); // of many requests, so of nobody's
  const isSame = (one: AuditEvent) => one.type === type && one.client.ip === event.client.ip;
  const found = waiting.find(isSame);
  const tallies = waiting.filter((one) => one.type === type).length;
  if (found !== undefined) found.count = (found.count ?? 1) + 1;
  else if (tallies < TALLIES_MAX) waiting.push(event);
  else countWithOthers(event);
  gather(c);
}

/**
 * Appends events before it returns: to D1 or, should that fail, to the Queue. Throws if neither
 * takes them.
 */
export async function recordEvents(env: Env, events: readonly AuditEvent[]): Promise<void> {
  try {
    const settings = settingsOf(env);
    if (settings.kind === "wrong") throw new Error("the settings are wrong");
    await raiseAlarms(env, events);
    await storeEvents(env.DB, settings.config, events);
  } catch {
    await sendAll(env, events);
  }
}

/** Alerts people of what is alarming. To be called before it is stored: what is in the trail has been raised. */
export async function raiseAlarms(env: Env, events: readonly AuditEvent[]): Promise<void> {
  const alarming = events.filter(isAlarming);
  if (alarming.length > 0) await alertDesk(env).raise(alertsOf(alarming));
}

/** The event as its request knows it. Who acts is whoever has signed in, unless the telling says otherwise. */
export function eventOf(c: AppContext, telling: Telling): AuditEvent {
  const { now, requestId, client } = c.get("facts");
  const signedIn = c.get("userId");
  const actor = c.get("actor") ?? (signedIn === null ? null : `user:${signedIn}`);
  return {
    ...(actor === null ? {} : { actor }),
    id: `${requestId}.${telling.type}`,
    at: now,
    userId: null,
    sid: null,
    reason: null,
    details: {},
    ...telling,
    requestId,
    client,
  };
}

function countWithOthers(event: AuditEvent): void {
  const last = waiting.findLast((one) => one.type === event.type && one.reason === "others");
  if (last !== undefined) last.count = (last.count ?? 1) + 1;
  else waiting.push({ ...event, reason: "others", requestId: null, client: { ...event.client, ip: null } });
}

/** Sees to it that what waits is sent: by this request, unless one before it still waits for others. */
function gather(c: AppContext): void {
  const nowMs = readClockMs();
  if (isFresh(gatheringSinceMs, nowMs, GATHER_MS)) return;
  gatheringSinceMs = nowMs;
  c.executionCtx.waitUntil(send(c));
}

/** Waits for others, and sends all that wait. A failure waits for the next. */
async function send(c: AppContext): Promise<void> {
  await scheduler.wait(GATHER_MS);
  gatheringSinceMs = Number.NEGATIVE_INFINITY;
  const events = waiting;
  waiting = [];
  if (events.length === 0) return;
  try {
    await sendAll(c.env, events);
  } catch (error) {
    const all = [...events, ...waiting];
    waiting = all.slice(-WAITING_MAX);
    const { now } = c.get("facts");
    const reason = `${String(error).slice(0, 100)}; ${all.length - waiting.length} events lost`;
    log(toIso(now), { level: "error", event: "audit_unavailable", reason });
  }
}

async function sendAll(env: Pick<Env, "AUDIT_QUEUE">, events: readonly AuditEvent[]): Promise<void> {
  for (const message of messagesOf(events)) await env.AUDIT_QUEUE.send(message, { contentType: "json" });
}
