/** Reading the audit trail, newest first, in pages that stay in step while it grows. */
import { z } from "@hono/zod-openapi";
import { base64url } from "jose";
import { type EventType, isEventType, RISK_LEVELS, type RiskLevel } from "../schema/audit-events.ts";
import { type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import { reach } from "./authorities.ts";

const PAGE_DEFAULT = 50;
const PAGE_MAX = 200;

/** From 1973 on, so that neither a year nor a date without hyphens is taken for one. */
const SECONDS = /^[1-9]\d{8,10}$/;

/** A moment as a filter: ISO 8601, date and time with their zone or a date (its first second, UTC); or seconds since 1970. */
export const moment = z
  .union([z.iso.datetime({ offset: true }), z.iso.date(), z.string().regex(SECONDS)], {
    error: "must be ISO 8601, like 2026-11-24 or 2026-11-24T12:00:00Z, or seconds since 1970",
  })
  .transform((text) => (SECONDS.test(text) ? Number(text) : toNumericDate(Date.parse(text))))
  .refine((at) => at >= 0, "must not be before 1970");

/** Both ends belong to the range. */
export const eventFilters = z.object({
  from: moment.optional(),
  to: moment.optional(),
  risk_level: z.enum(RISK_LEVELS).optional(),
  event_type: z.string().refine(isEventType, "must be a type of event").optional(),
});

/** Where a page ended: the `at` and `id` of its last event. Opaque to whoever hands it back. */
export const cursor = z
  .string()
  .max(400)
  .transform(positionOf)
  .refine((position) => position !== null, "must be a next_cursor of this service")
  .transform((position): Position => position ?? { at: 0, id: "" });

export const pageOf = {
  cursor: cursor.optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
};

export const eventSchema = z
  .object({
    id: z.string(),
    at: z.iso.datetime(),
    type: z.string(),
    risk: z.enum(RISK_LEVELS),
    actor: z.string().nullable(),
    user_id: z.int().nullable(),
    session_id: z.string().nullable(),
    ip: z.string().nullable(),
    country: z.string().nullable(),
    city: z.string().nullable(),
    colo: z.string().nullable(),
    user_agent: z.string().nullable(),
    request_id: z.string().nullable(),
    reason: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .openapi("SecurityEvent");
export type ShownEvent = z.infer<typeof eventSchema>;

export type Position = { at: NumericDate; id: string };
export type Wanted = {
  from?: NumericDate | undefined;
  to?: NumericDate | undefined;
  risk_level?: RiskLevel | undefined;
  event_type?: EventType | undefined;
  user_id?: number | undefined;
  cursor?: Position | undefined;
  limit: number;
};
type Row = Omit<ShownEvent, "at" | "session_id" | "details"> & {
  at: NumericDate;
  sid: string | null;
  details: string;
};

/** The types that have no index, in its own words (`0013_audit_event_types.sql`): most of the trail is theirs. */
const COMMON = "('login_succeeded', 'token_refreshed')";

/**
 * One page; `next_cursor` is null on the last. Reads the rows that it shows or, with several filters,
 * the user's, else the type's, else the risk's in the range until the page is full; for a common type
 * and for risk `low`, everybody's.
 */
export async function readEvents(
  db: D1Database,
  wanted: Wanted,
): Promise<{ events: ShownEvent[]; next_cursor: string | null }> {
  const conditions: [string, ...(string | number)[]][] = [];
  const { from, to, risk_level: risk, event_type: type, user_id, cursor, limit } = wanted;
  if (user_id !== undefined) conditions.push(["user_id = ?", user_id]);
  if (from !== undefined) conditions.push(["at >= ?", from]);
  if (to !== undefined) conditions.push(["at <= ?", to]);
  if (cursor !== undefined) conditions.push(["(at, id) < (?, ?)", cursor.at, cursor.id]);
  const { index, words } = leadOf(wanted);
  if (words !== null) conditions.push([words]);
  if (risk !== undefined) conditions.push(["risk = ?", risk]);
  if (type !== undefined) conditions.push(["type = ?", type]);
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.map(([sql]) => sql).join(" AND ")}`;
  const { results } = await reach("database", () =>
    db
      .prepare(`SELECT * FROM audit_events ${index} ${where} ORDER BY at DESC, id DESC LIMIT ?`)
      .bind(...conditions.flatMap(([, ...bound]) => bound), limit + 1)
      .all<Row>(),
  );
  const page = results.slice(0, limit);
  const last = page.at(-1);
  const hasMore = results.length > limit && last !== undefined;
  return { events: page.map(shown), next_cursor: hasMore ? base64url.encode(`${last.at} ${last.id}`) : null };
}

/**
 * The index to go by: named, since SQLite's own choice changes with what it has counted. One of some
 * rows can be gone by only where its own condition is said, in its words.
 */
function leadOf({ user_id, event_type: type, risk_level: risk }: Wanted): {
  index: string;
  words: string | null;
} {
  if (user_id !== undefined) return { index: "INDEXED BY audit_events_user", words: null };
  if (type !== undefined && !COMMON.includes(`'${type}'`))
    return { index: "INDEXED BY audit_events_type", words: `type NOT IN ${COMMON}` };
  if (risk !== undefined && risk !== "low")
    return { index: "INDEXED BY audit_events_notable", words: "risk <> 'low'" };
  return { index: "", words: null };
}

function positionOf(text: string): Position | null {
  try {
    const [, at, id] = /^(\d{1,12}) (.+)$/.exec(new TextDecoder().decode(base64url.decode(text))) ?? [];
    return at === undefined || id === undefined ? null : { at: Number(at), id };
  } catch {
    return null;
  }
}

function shown({ sid, details, at, ...row }: Row): ShownEvent {
  const { id, type, risk, actor, user_id, ip, country, city, colo, user_agent, request_id, reason } = row;
  return {
    ...{ id, at: toIso(at), type, risk, actor, user_id, session_id: sid, ip, country, city, colo },
    ...{ user_agent, request_id, reason, details: JSON.parse(details) as Record<string, unknown> },
  };
}
