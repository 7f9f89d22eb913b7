/** Points in time as Django and its databases write them. */
import { type NumericDate, toNumericDate } from "../time.ts";

/** What a report says of one that has none. */
export const ZONELESS = "time without a zone, taken for UTC";

const MOMENT = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d{1,6})?(?:(Z)|([+-]\d\d)(?::?(\d\d))?)?$/;

/**
 * Reads a date with time; null if it is none. Fractions of a second are dropped. Without a zone
 * (`USE_TZ = False`) it is taken for UTC, and `hasZone` says so.
 */
export function parseMoment(text: string): { at: NumericDate; hasZone: boolean } | null {
  const [, day, time, utc, hours, minutes = "00"] = MOMENT.exec(text) ?? [];
  if (day === undefined || time === undefined) return null;
  const zone = hours === undefined ? "Z" : `${hours}:${minutes}`;
  const atMs = Date.parse(`${day}T${time}${zone}`);
  const asUtc = new Date(`${day}T${time}Z`);
  // Engines take the 30th of February for a day in March.
  if (Number.isNaN(atMs) || asUtc.toISOString() !== `${day}T${time}.000Z`) return null;
  return { at: toNumericDate(atMs), hasZone: utc !== undefined || hours !== undefined };
}
