/**
 * What is known of a request before anything is decided: the time (the only clock read of the
 * edge), its id, where it comes from, and the settings. Also the type of the application.
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import type { ClientView } from "../schema/audit-events.ts";
import type { AccessClaims } from "../schema/claims.ts";
import { type Config, type ConfigReading, readConfig } from "../schema/config.ts";
import type { UserId } from "../schema/ids.ts";
import { addressKey } from "../schema/ip-address.ts";
import type { Budget } from "../schema/limits.ts";
import { type NumericDate, toNumericDate } from "../schema/time.ts";
import type { GuessInHand } from "./abuse.ts";
import { newRequestId } from "./entropy.ts";
import type { Access } from "./http/route.ts";

export type RequestFacts = {
  nowMs: number;
  now: NumericDate;
  requestId: string;
  /** What the address counts as (RL-02), or null if the platform did not say. */
  address: string | null;
  /** False where `address` stands in for one that is missing (development only). */
  isAddressTold: boolean;
  client: ClientView;
  settings: ConfigReading;
};

export type AppEnv = {
  Bindings: Env;
  Variables: {
    facts: RequestFacts;
    /** Whom the route lets in that the request met; null where it met none, or one for everybody. */
    access: Access | null;
    /** What is left of every limit that the request counted to. */
    budgets: Budget[];
    /** The guess at a password or code that the guard has opened for this request. */
    guess: GuessInHand | null;
    bearer: AccessClaims | null;
    /** Whose account the request is made for, by access token or API key. */
    userId: UserId | null;
    /** Who acts on an admin route. */
    actor: string | null;
    /** Whether the request has told the trail anything itself. */
    isTold: boolean;
    /** The stable code of the problem that was answered, for the log. */
    code: string | null;
  };
};
export type App = OpenAPIHono<AppEnv>;
export type AppContext = Context<AppEnv>;

/** The settings, and what follows from them and the request's origin. */
export type Service = { config: Config; issuer: string; audience: string };
/** What making a token takes beside: the roles are looked up. */
export type Issuer = Service & { env: Env; ctx: Pick<ExecutionContext, "waitUntil"> };

const USER_AGENT_LENGTH_MAX = 512;
const readings = new WeakMap<Env, ConfigReading>();

/** The only clock read of the edge, in milliseconds. It stands still while code computes. */
export function readClockMs(): number {
  return Date.now();
}

/** The settings of this deployment, read once. */
export function settingsOf(env: Env): ConfigReading {
  const settings = readings.get(env) ?? readConfig(env);
  readings.set(env, settings);
  return settings;
}

/** Whether what is for development alone exists: also told while the settings are wrong. */
export function isDevelopment({ ENVIRONMENT = "development" }: { ENVIRONMENT?: string }): boolean {
  return ENVIRONMENT === "development";
}

/** The facts of one request. `CF-Connecting-IP` is the address and nothing else is (RL-02). */
export function factsOf(request: Request, env: Env): RequestFacts {
  const nowMs = readClockMs();
  const settings = settingsOf(env);
  const key = addressKey(request.headers.get("CF-Connecting-IP"));
  const address =
    key === null && settings.kind === "ok" && settings.config.environment === "development"
      ? "127.0.0.1"
      : key;
  return {
    nowMs,
    now: toNumericDate(nowMs),
    requestId: newRequestId(),
    address,
    isAddressTold: key !== null,
    client: {
      ip: key === null ? address : request.headers.get("CF-Connecting-IP"),
      userAgent: request.headers.get("User-Agent")?.slice(0, USER_AGENT_LENGTH_MAX) ?? null,
      ...placeOf(request.cf),
    },
    settings,
  };
}

/** What the platform says of where a request was made and met; it may say nothing. */
function placeOf(cf: Request["cf"]): Pick<ClientView, "country" | "city" | "colo"> {
  const { country, city, colo } = cf ?? {};
  return {
    country: typeof country === "string" ? country : null,
    ...(typeof city === "string" ? { city } : {}),
    ...(typeof colo === "string" ? { colo } : {}),
  };
}

/** The service as this request sees it. Only behind the settings gate; throws before it. */
export function serviceOf(c: AppContext): Issuer {
  const { settings } = c.get("facts");
  if (settings.kind === "wrong") throw new Error("asked for settings that are wrong");
  const { config } = settings;
  const { env, executionCtx: ctx } = c;
  const issuer = config.issuer ?? originOf(c);
  return { config, issuer, audience: config.audience ?? originOf(c), env, ctx };
}

/** The path of the route that the request met, with the names of its parameters and none of their values. */
export function routeOf(c: AppContext): string {
  return matchedRoutes(c).at(-1)?.path ?? "";
}

function originOf(c: AppContext): string {
  return new URL(c.req.url).origin;
}
