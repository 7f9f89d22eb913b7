/**
 * `GET /api/health`: whether each part that this service stands on answers, and its settings are
 * right. Examined at most once in five seconds per isolate, however many ask at once, so that it
 * cannot be used to load anything; writes nothing.
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
    /** Settings that are wrong, and stop the service. */
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
    responses: {
      200: jsonAnswer("All well", healthSchema),
      503: jsonAnswer("A part is down, or a setting wrong", healthSchema),
    },
  },
);

/** The last examination of each deployment's parts, under way or done. */
const examinations = new WeakMap<Env, { atMs: number; health: Promise<Health> }>();

export function mountHealth(app: App): void {
  serve(app, route, async (c) => {
    const health = await lastExamination(c);
    return c.json(health, health.status === "healthy" ? 200 : 503);
  });
}

/** Whoever asks while one is under way waits for it: it ends in time, also if its own client hangs up. */
function lastExamination(c: AppContext): Promise<Health> {
  const { nowMs, now, settings } = c.get("facts");
  const last = examinations.get(c.env);
  if (last !== undefined && isFresh(last.atMs, nowMs, KEPT_MS)) return last.health;
  const health = examine(c.env, settings, now);
  examinations.set(c.env, { atMs: nowMs, health });
  return health;
}
