/** The audit trail: all of it for an admin, also as NDJSON; one's own for everyone. */
import { z } from "@hono/zod-openapi";
import { asUserId } from "../../schema/ids.ts";
import { oneLine } from "../../schema/log.ts";
import { tellView } from "../admin-audit.ts";
import { eventFilters, eventSchema, type Position, pageOf, readEvents, type Wanted } from "../audit-trail.ts";
import { bearerOf } from "../auth/bearer.ts";
import type { App } from "../context.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { asOwnEvent } from "../own-events.ts";

const NDJSON = "application/x-ndjson";
const EXPORT_PAGE = 500;
const security = [{ bearer: [] }];
const COST = "1 D1 query, a row read for each event shown or that meets the first of user, type and risk";
const userFilter = { user_id: z.coerce.number().int().positive().optional() };
const rules = { access: "admin" as const, tier: "confirmed" as const, limits: [] };

const list = defineRoute(
  { ...rules, cost: COST },
  {
    method: "get",
    path: "/api/admin/security/events",
    summary: "Security events, newest first",
    security,
    request: { query: eventFilters.extend({ ...userFilter, ...pageOf }) },
    responses: {
      200: jsonAnswer(
        "A page of events",
        z.object({ events: z.array(eventSchema), next_cursor: z.string().nullable() }),
      ),
      ...problemAnswers(400, 401, 403, 429, 503),
    },
  },
);

const download = defineRoute(
  { ...rules, cost: "1 D1 query and 500 rows read for each 500 events, as they are taken" },
  {
    method: "get",
    path: "/api/admin/security/events/export",
    summary: "Security events as NDJSON, newest first, one a line",
    security,
    request: { query: eventFilters.extend(userFilter) },
    responses: {
      200: { description: "application/x-ndjson: one event a line" },
      ...problemAnswers(400, 401, 403, 429, 503),
    },
  },
);

const ownSchema = eventSchema.omit({ actor: true, colo: true, details: true }).openapi("OwnSecurityEvent");
const own = defineRoute(
  { access: "bearer", tier: "leased", limits: [], cost: COST },
  {
    method: "get",
    path: "/api/accounts/security-events",
    summary: "One's own security events, newest first",
    security,
    request: { query: eventFilters.extend(pageOf) },
    responses: {
      200: jsonAnswer(
        "A page of events",
        z.object({ events: z.array(ownSchema), next_cursor: z.string().nullable() }),
      ),
      ...problemAnswers(400, 401, 429, 503),
    },
  },
);

export function mountSecurityEvents(app: App): void {
  serve(app, list, async (c) => c.json(await readEvents(c.env.DB, c.req.valid("query")), 200));
  serve(app, own, async (c) => {
    const user_id = bearerOf(c).user_id; // nobody else's, whatever is asked for
    const page = await readEvents(c.env.DB, { ...c.req.valid("query"), user_id });
    // The words of admins are theirs.
    const events = page.events.map(({ colo, details, ...event }) => asOwnEvent(event, user_id));
    return c.json({ ...page, events }, 200);
  });
  serve(app, download, async (c) => {
    const wanted = { ...c.req.valid("query"), limit: EXPORT_PAGE };
    const first = await linesOf(c.env.DB, wanted); // an outage is still a 503 here
    tellView(c, "export_of_events", wanted.user_id === undefined ? null : asUserId(wanted.user_id));
    const headers = {
      "Content-Type": NDJSON,
      "Content-Disposition": 'attachment; filename="security-events.ndjson"',
    };
    return c.body(streamOf(c.env.DB, wanted, first), 200, headers);
  });
}

type Lines = { text: string; next: Position | null };

/** An error while it streams breaks the connection off: half an export never looks whole. */
function streamOf(db: D1Database, wanted: Wanted, first: Lines): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let page: Lines | null = first;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (page === null) return controller.close();
      const { text, next }: Lines = page;
      if (text !== "") controller.enqueue(encoder.encode(text));
      page = next === null ? null : await linesOf(db, { ...wanted, cursor: next });
      if (page === null) controller.close();
    },
  });
}

async function linesOf(db: D1Database, wanted: Wanted): Promise<Lines> {
  const { events, next_cursor } = await readEvents(db, wanted);
  return {
    text: events.map((event) => `${oneLine(event)}\n`).join(""),
    next: next_cursor === null ? null : pageOf.cursor.unwrap().parse(next_cursor),
  };
}
