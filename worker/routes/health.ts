/**
 * `GET /api/health`: whether each part that this service stands on answers. Asked at most once in
 * five seconds per isolate, so that it cannot be used to load anything; writes nothing.
 */
import { z } from "@hono/zod-openapi";
import type { Config, ConfigReading } from "../../schema/config.ts";
import { isFresh, toIso } from "../../schema/time.ts";
import { ipGuard } from "../authorities.ts";
import { type App, type AppContext, readClockMs } from "../context.ts";
import { defineRoute, jsonAnswer, serve } from "../http/route.ts";
import { signingKey } from "../tokens/keyring.ts";

const KEPT_MS = 5000;
const TIMEOUT_MS = 2000;
const TOKEN_SETTINGS = ["JWT_SIGNING_KEYS", "JWT_SECRET", "REFRESH_TOKEN_SECRET", "ISSUER", "AUDIENCE"];

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
type Health = z.infer<typeof healthSchema>;
type Check = z.infer<typeof checkSchema>;

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: [],
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
    const { nowMs } = c.var.facts;
    if (kept === null || !isFresh(kept.atMs, nowMs, KEPT_MS))
      kept = { atMs: nowMs, health: await examine(c) };
    return c.json(kept.health, kept.health.status === "healthy" ? 200 : 503);
  });
}

async function examine(c: AppContext): Promise<Health> {
  const { env } = c;
  const { now, settings } = c.var.facts;
  const [database, kv, jwt, objects] = await Promise.all([
    check(() => env.DB.prepare("SELECT 1").first()),
    check(() => env.REVOCATIONS.get("health")),
    check(() => checkKeys(settings, now)),
    check(() => ipGuard(env, "health").ping()),
  ]);
  const checks = { database, kv, jwt, objects };
  const isHealthy = Object.values(checks).every((one) => one.status === "healthy");
  return {
    status: isHealthy ? "healthy" : "unhealthy",
    checks,
    ...(settings.kind === "wrong" ? { settings: settings.problems.map(({ setting }) => setting) } : {}),
    timestamp: toIso(now),
    version: env.VERSION.id,
  };
}

async function check(ask: () => PromiseLike<unknown>): Promise<Check> {
  const startMs = readClockMs();
  const late = scheduler.wait(TIMEOUT_MS).then(() => {
    throw new Error("no answer in time");
  });
  try {
    await Promise.race([ask(), late]);
    return { status: "healthy", latency_ms: readClockMs() - startMs };
  } catch {
    return { status: "unhealthy", latency_ms: readClockMs() - startMs };
  } finally {
    late.catch(() => undefined);
  }
}

/** Signs and verifies with the very keys that tokens use. */
async function checkKeys(settings: ConfigReading, now: number): Promise<void> {
  if (settings.kind === "wrong") {
    const isAbout = settings.problems.some(({ setting }) => TOKEN_SETTINGS.includes(setting));
    if (isAbout) throw new Error("the settings of tokens are wrong");
    return;
  }
  await signAndVerify(settings.config, now);
}

async function signAndVerify(config: Config, now: number): Promise<void> {
  const { key, verifyKey, algorithm } = await signingKey(config, now);
  const parameters = { EdDSA: "Ed25519", HS256: "HMAC", ES256: { name: "ECDSA", hash: "SHA-256" } }[
    algorithm
  ];
  const bytes = new TextEncoder().encode("health");
  const signature = await crypto.subtle.sign(parameters, key, bytes);
  if (!(await crypto.subtle.verify(parameters, verifyKey, signature, bytes)))
    throw new Error("the key pair differs");
}
