/** What the audit trail adds up to, from hourly counts: numbers, a report, and counters for Prometheus. */
import { z } from "@hono/zod-openapi";
import { RISK_LEVELS } from "../../schema/audit-events.ts";
import { ALL_TIME, HOUR_SECONDS, hourOf } from "../../schema/security-hours.ts";
import { metricsOf, prometheusOf, reportOf } from "../../schema/security-metrics.ts";
import { readHours } from "../audit-store.ts";
import { moment } from "../audit-trail.ts";
import type { App } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";

const DAY_SECONDS = 86_400;
const DAYS_MAX = 366;
const PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8";

const rules = { access: "admin" as const, tier: "confirmed" as const, limits: [] };
const security = [{ bearer: [] }];
const cost = "1 D1 query for each 500 hours, a row read for each hour with events";

const counters = {
  login_attempts: z.int(),
  login_succeeded: z.int(),
  login_failed: z.int(),
  registrations: z.int(),
  refreshes: z.int(),
  refreshes_denied: z.int(),
  reuse_detected: z.int(),
  lockouts: z.int(),
  blocks: z.int(),
  limited_requests: z.int(),
  suspicious: z.int(),
};
const metricsSchema = z
  .object({
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    totals: z.object(counters),
    success_rate: z.number().nullable(),
    unique_addresses: z.object({ estimate: z.int(), standard_error: z.number() }),
    top_countries: z.array(z.object({ country: z.string(), events: z.int() })),
    risk_levels: z.record(z.enum(RISK_LEVELS), z.int()),
    event_types: z.record(z.string(), z.int()),
    series: z.array(z.object({ hour: z.iso.datetime(), ...counters })),
  })
  .openapi("SecurityMetrics");

const metrics = defineRoute(
  { ...rules, cost },
  {
    method: "get",
    path: "/api/admin/security/metrics",
    summary: "Totals and an hourly series; the last 24 hours unless it says otherwise",
    security,
    request: { query: z.object({ from: moment.optional(), to: moment.optional() }) },
    responses: { 200: jsonAnswer("The metrics", metricsSchema), ...problemAnswers(400, 401, 403, 429, 503) },
  },
);

const report = defineRoute(
  { ...rules, cost },
  {
    method: "get",
    path: "/api/admin/security/report",
    summary: "The same for people: Markdown, or plain text by Accept",
    security,
    request: { query: z.object({ days: z.coerce.number().int().min(1).max(DAYS_MAX).default(7) }) },
    responses: {
      200: { description: "text/markdown or text/plain" },
      ...problemAnswers(400, 401, 403, 429, 503),
    },
  },
);

const prometheus = defineRoute(
  { access: "operator", tier: "none", limits: [], cost: "1 D1 query, 1 row read" },
  {
    method: "get",
    path: "/metrics",
    summary: "Counters in Prometheus' text format, for ADMIN_TOKEN",
    security,
    responses: { 200: { description: PROMETHEUS }, ...problemAnswers(401, 429, 503) },
  },
);

export function mountSecurityMetrics(app: App): void {
  serve(app, metrics, async (c) => {
    const { now } = c.get("facts");
    const wanted = c.req.valid("query");
    const to = wanted.to ?? now;
    const from = wanted.from ?? to - DAY_SECONDS + HOUR_SECONDS;
    if (from > to || to - from > DAYS_MAX * DAY_SECONDS) {
      const message = `must not be after "to", nor more than ${DAYS_MAX} days before it`;
      throw new Refusal("invalid_request", { details: [{ field: "from", message }] });
    }
    return c.json(metricsOf(await readHours(c.env.DB, firstHour(from), to), from, to), 200);
  });
  serve(app, report, async (c) => {
    const { now } = c.get("facts");
    const from = now - c.req.valid("query").days * DAY_SECONDS + HOUR_SECONDS;
    const text = reportOf(metricsOf(await readHours(c.env.DB, firstHour(from), now), from, now));
    const type = c.req.header("Accept")?.includes("text/plain") ? "text/plain" : "text/markdown";
    return c.body(text, 200, { "Content-Type": `${type}; charset=utf-8` });
  });
  serve(app, prometheus, async (c) => {
    const [allTime] = await readHours(c.env.DB, ALL_TIME, ALL_TIME);
    return c.body(prometheusOf(allTime ?? null), 200, { "Content-Type": PROMETHEUS });
  });
}

/** The hour of a moment, and never the row of all time. */
function firstHour(at: number): number {
  return Math.max(hourOf(at), HOUR_SECONDS);
}
