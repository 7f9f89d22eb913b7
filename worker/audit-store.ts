/** The only SQL of `audit_events` and `security_hours` at the edge. */
import { type AuditEvent, EVENT_RISKS } from "../schema/audit-events.ts";
import type { Config } from "../schema/config.ts";
import { addressKey } from "../schema/ip-address.ts";
import { countEvents, hoursOf, type SecurityHour } from "../schema/security-hours.ts";
import type { NumericDate } from "../schema/time.ts";
import { reach } from "./authorities.ts";
import { keyedHash } from "./tokens/refresh-key.ts";

/** Events of one transaction: some 600 KB of JSON, of the 2 MB that one bound value may have. */
const EVENTS_MAX = 500;

/** Writers that meet at the row of all time: the later one looks again. */
const TRIES_MAX = 3;

/** Hours of one query: 2 MB of sketches at most. */
const HOURS_PAGE = 500;

/** Deleted in one statement (some tens of milliseconds), and statements of one run: 800,000 events a day. */
const FORGET_MAX = 2000;
const BATCHES_MAX = 400;

const INSERT_EVENTS = `
  INSERT OR IGNORE INTO audit_events
    (id, at, type, risk, user_id, actor, sid, reason, request_id, ip, country, city, colo, user_agent, details)
  SELECT value ->> 'id', value ->> 'at', value ->> 'type', value ->> 'risk', value ->> 'userId',
    value ->> 'actor', value ->> 'sid', value ->> 'reason', value ->> 'requestId',
    value ->> '$.client.ip', value ->> '$.client.country', value ->> '$.client.city',
    value ->> '$.client.colo', value ->> '$.client.userAgent', value -> 'details'
  FROM json_each(?)`;

/** A row that another writer moved meanwhile takes no version, and with it the whole transaction fails. */
const PUT_HOURS = `
  INSERT INTO security_hours (hour, version, types, countries, addresses)
  SELECT value ->> 'hour', value ->> 'version', value ->> 'types', value ->> 'countries', value ->> 'addresses'
  FROM json_each(?) WHERE true
  ON CONFLICT (hour) DO UPDATE SET
    version = CASE WHEN version = excluded.version - 1 THEN excluded.version END,
    types = excluded.types, countries = excluded.countries, addresses = excluded.addresses`;

/**
 * Appends events and counts those that are new, in one transaction for each few hundred. The same
 * event stored twice is one row and counts once, however often it is delivered: every
 * event changes the row of all time, so two writers of one event meet there, and the later one fails
 * and tries again. Throws if D1 does not take them.
 */
export async function storeEvents(
  db: D1Database,
  config: Config,
  events: readonly AuditEvent[],
): Promise<void> {
  const unique = [...new Map(events.map((event) => [event.id, event])).values()];
  for (let from = 0; from < unique.length; from += EVENTS_MAX) {
    await storeAnyway(db, config, unique.slice(from, from + EVENTS_MAX));
  }
}

async function storeAnyway(db: D1Database, config: Config, events: readonly AuditEvent[]): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await storeSome(db, config, events);
    } catch (error) {
      const isOvertaken = error instanceof Error && error.message.includes("security_hours.version");
      if (!isOvertaken || tries === TRIES_MAX) throw error;
    }
  }
}

async function storeSome(db: D1Database, config: Config, events: readonly AuditEvent[]): Promise<void> {
  const json = JSON.stringify(
    events.map(({ count = 1, ...event }) => ({
      ...event,
      risk: EVENT_RISKS[event.type],
      details: count > 1 ? { ...event.details, count } : event.details,
    })),
    // Half a surrogate pair, as a text cut short ends in, is no text to SQLite.
    (_key, value: unknown) => (typeof value === "string" ? value.toWellFormed() : value),
  );
  // One transaction, so that both are of the same moment.
  const [present, rows] = await db.batch<{ id: string } & HourRow>([
    db
      .prepare("SELECT id FROM audit_events WHERE id IN (SELECT value FROM json_each(?))")
      .bind(JSON.stringify(events.map(({ id }) => id))),
    db
      .prepare("SELECT * FROM security_hours WHERE hour IN (SELECT value FROM json_each(?))")
      .bind(JSON.stringify(hoursOf(events))),
  ]);
  const known = new Set((present?.results ?? []).map(({ id }) => id));
  const added = events.filter(({ id }) => !known.has(id));
  if (added.length === 0) return;
  const hashed = await Promise.all(
    added.map(async (event) => ({ event, addressHash: await addressHash(config, event) })),
  );
  const hours = countEvents((rows?.results ?? []).map(asHour), hashed);
  await db.batch([
    db.prepare(PUT_HOURS).bind(JSON.stringify(hours.map(asRow))),
    db.prepare(INSERT_EVENTS).bind(json),
  ]);
}

/** The hours that begin within the range (both ends belong to it) and have events, oldest first: a row read for each. */
export async function readHours(db: D1Database, from: NumericDate, to: NumericDate): Promise<SecurityHour[]> {
  const hours: SecurityHour[] = [];
  for (let after = from - 1; ; ) {
    const { results } = await reach("database", () =>
      db
        .prepare("SELECT * FROM security_hours WHERE hour > ? AND hour <= ? ORDER BY hour LIMIT ?")
        .bind(after, to, HOURS_PAGE)
        .all<HourRow>(),
    );
    hours.push(...results.map(asHour));
    const last = results.at(-1);
    if (last === undefined || results.length < HOURS_PAGE) return hours;
    after = last.hour;
  }
}

/**
 * Deletes events from before `until` and counted hours from before `hoursUntil`: the oldest first,
 * some at a time, each by itself, so that nothing else waits for long and a run that is cut off
 * has done what it did. False if `BATCHES_MAX` were not enough: the rest is the next run's.
 */
export async function forgetOld(
  db: D1Database,
  until: NumericDate,
  hoursUntil: NumericDate,
): Promise<boolean> {
  await db.prepare("DELETE FROM security_hours WHERE hour > 0 AND hour < ?").bind(hoursUntil).run();
  const forget =
    "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE at < ? ORDER BY at LIMIT ?)";
  for (let i = 0; i < BATCHES_MAX; i += 1) {
    const { meta } = await db.prepare(forget).bind(until, FORGET_MAX).run();
    if (meta.changes < FORGET_MAX) return true;
  }
  return false;
}

type HourRow = Omit<SecurityHour, "types" | "countries"> & { types: string; countries: string };

function asHour(row: HourRow): SecurityHour {
  return { ...row, types: JSON.parse(row.types), countries: JSON.parse(row.countries) };
}

function asRow(hour: SecurityHour): HourRow {
  return { ...hour, types: JSON.stringify(hour.types), countries: JSON.stringify(hour.countries) };
}

/** What distinct addresses are counted by: of no use to anyone who reads it. */
async function addressHash(config: Config, { client }: AuditEvent): Promise<Uint8Array | null> {
  const address = addressKey(client.ip);
  return address === null ? null : keyedHash(config, "address", address);
}
