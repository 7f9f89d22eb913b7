/**
 * `GET /api/health`: whether each part that this service stands on answers. Asked at most once in
 * five seconds per isolate, so that it cannot be used to load anything; writes nothing.
 */
import { z } from "@hono/zod-openapi";
import { isFresh } from "../../schema/time.ts";
import type { App, AppContext } from "../context.ts";
import { examine, type Health } from "../health.ts";
import { defineRoute, jsonAnswer, serve } from "../http/route.ts";

const KEPT_MS = 5000;

const status = z.enum(["healthy", "unhealthy"]);
const checkSchema = z.object({ status, latency_ms: z.number() });
const healthSchema = z
  .object({
    status,
    checks: z.object({ database: checkSchema, kv: checkSchema, jwt: checkSchema, objects: checkSchema }),
    /** Settings that keep every other route at 503. */
    settings: z.array(z.string()).optional(),
    timestamp: z.iso.datetime(),
    version: z.string(),
  })
  .openapi("Health");

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: [],
    passesBlocks: true,
    cost: "at most once in 5 s per isolate: 1 D1 query, 1 KV read, 1 object call, 1 signature made and checked",
  },
  {
    method: "get",
    path: "/api/health",
    summary: "Whether every part answers",
    responses: { 200: jsonAnswer("All well", healthSchema), 503: jsonAnswer("A part is down", healthSchema) },
  },
);

let kept: { atMs: number; health: Health } | null = null;

export function mountHealth(app: App): void {
  serve(app, route, async (c) => {
    const { nowMs, now, settings } = c.get("facts");
    if (kept !== null && isFresh(kept.atMs, nowMs, KEPT_MS)) return answer(c, kept.health);
    if (kept !== null) kept.atMs = nowMs; // who asks meanwhile hears what was found last
    const health = await examine(c.env, settings, now);
    kept = { atMs: nowMs, health };
    return answer(c, health);
  });
}

function answer(c: AppContext, health: Health) {
  return c.json(health, health.status === "healthy" ? 200 : 503);
}
