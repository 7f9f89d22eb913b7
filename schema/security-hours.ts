/** What the audit trail's events add up to, hour by hour. Pure. */
import { PATTERNS } from "./abuse.ts";
import { AddressSketch, type Sketch } from "./address-sketch.ts";
import type { AuditEvent } from "./audit-events.ts";
import type { NumericDate } from "./time.ts";

export const HOUR_SECONDS = 3600;
/** The row of everything there ever was: counters that only grow. */
export const ALL_TIME = 0;
/** Counted beside the types, and none of them: what was seen of an address that blocked or banned it. */
export const AUTOMATIC_BLOCKS = "automatic_blocks";

export type SecurityHour = {
  /** Its first second, or `ALL_TIME`. */
  hour: NumericDate;
  version: number;
  /** By event type, and `AUTOMATIC_BLOCKS`. */
  types: Record<string, number>;
  countries: Record<string, number>;
  /** Empty for `ALL_TIME`, of which nobody asks. */
  addresses: Sketch;
};

/** An event that was not counted before, and eight bytes or more of its address's keyed hash. */
export type NewEvent = { event: AuditEvent; addressHash: Uint8Array | null };

export function hourOf(at: NumericDate): NumericDate {
  return at - (at % HOUR_SECONDS);
}

/** The rows that these events touch. */
export function hoursOf(events: readonly AuditEvent[]): NumericDate[] {
  return [...new Set([ALL_TIME, ...events.map(({ at }) => hourOf(at))])];
}

/** The rows after these events: each that is touched, its version one higher. `before` may lack some. */
export function countEvents(before: readonly SecurityHour[], added: readonly NewEvent[]): SecurityHour[] {
  return hoursOf(added.map(({ event }) => event)).map((hour) => {
    const row = before.find((one) => one.hour === hour);
    const own = hour === ALL_TIME ? added : added.filter(({ event }) => hourOf(event.at) === hour);
    return {
      hour,
      version: (row?.version ?? 0) + 1,
      types: withCounts(row?.types, own, typesOf),
      countries: withCounts(row?.countries, own, ({ client: { country } }) =>
        country === null ? [] : [country],
      ),
      addresses: hour === ALL_TIME ? "" : withAddresses(row?.addresses ?? "", own),
    };
  });
}

function withCounts(
  before: Record<string, number> | undefined,
  added: readonly NewEvent[],
  keysOf: (event: AuditEvent) => string[],
): Record<string, number> {
  const counts = new Map(Object.entries(before ?? {}));
  for (const { event } of added)
    for (const key of keysOf(event)) counts.set(key, (counts.get(key) ?? 0) + (event.count ?? 1));
  return Object.fromEntries(counts);
}

/** A pattern's event says as its reason what was done. */
function typesOf({ type, reason }: AuditEvent): string[] {
  const isPattern = Object.values(PATTERNS).some(({ event }) => event === type);
  return isPattern && (reason === "block" || reason === "ban") ? [type, AUTOMATIC_BLOCKS] : [type];
}

function withAddresses(before: Sketch, added: readonly NewEvent[]): Sketch {
  const sketch = new AddressSketch();
  sketch.merge(before);
  for (const { addressHash } of added) if (addressHash !== null) sketch.add(addressHash);
  return sketch.toText();
}
