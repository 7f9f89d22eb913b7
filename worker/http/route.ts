/**
 * A route is a row of data: method, path, who may, what it costs, what goes in and comes out.
 * Validation, the OpenAPI document and the tests read this one declaration; `serve` is the order
 * of steps between a matched path and its handler.
 */
import { createRoute, type Hook, type RouteConfig, type RouteHandler, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { OwnLimit } from "../../schema/limits.ts";
import { endGuess, refuseBanned } from "../abuse.ts";
import { requireAdmin, requireOperator } from "../auth/admin.ts";
import { confirmed, leased, requireBearer } from "../auth/bearer.ts";
import type { App, AppEnv } from "../context.ts";
import { FORM, refusalOfBody, refusalOfForm } from "./body.ts";
import { admit } from "./limits.ts";
import { type ProblemStatus, Refusal } from "./problems.ts";

/**
 * `public`: no credentials. `bearer`: an access token, leased (the contract's `A`). `confirmed`: an
 * access token that the user's object confirms (`S`). `admin`: an admin, confirmed, or the operator (`M`).
 * `operator`: the operator's token alone.
 */
export type Access = keyof typeof CREDENTIALS | "public";

const CREDENTIALS = {
  bearer: requireBearer(leased),
  confirmed: requireBearer(confirmed),
  admin: requireAdmin,
  operator: requireOperator,
};

/**
 * How soon the route feels a revocation: `confirmed`, at once and everywhere; `leased`, at once
 * where it was made and in 5 s elsewhere; `local`, within KV's bound of 60 s.
 */
export type Tier = "confirmed" | "leased" | "local" | "none";

/** The rules of a route; `/openapi.json` shows them as its `x-rules`. */
export type RouteRules = {
  access: Access;
  tier: Tier;
  /** The limits that it counts to, beside `ip`, which every `/api/` and `/oauth/` path counts to. */
  limits: OwnLimit[];
  /** It checks a password or code, so that a blocked address is refused before it is charged. */
  guesses?: true;
  /** Also a banned address is answered: health, and, with a right credential, where a block is lifted. */
  passesBlocks?: true;
  /** Object calls, rows written, reads and signatures of one good request, beside the guard's call. */
  cost: string;
  /**
   * What a role or an API key must be allowed: `resource:action`, or several separated by spaces.
   * Without it, no API key may use the route.
   */
  permission?: string;
  /** The sentence for a missing required member of the body. */
  missing?: string;
};
export type Route = RouteConfig & { "x-rules": RouteRules };

/**
 * Declares a route: what it is called, who may and at what cost, what goes in and comes out. What
 * every route of its kind can answer is added.
 */
export function defineRoute<Path extends string, R extends Omit<RouteConfig, "path"> & { path: Path }>(
  rules: RouteRules,
  route: R,
) {
  const responses = Object.assign({}, commonProblems(rules, route), route.responses);
  return createRoute({ ...route, responses, "x-rules": rules });
}

/** What the steps before a handler refuse with, whatever the route does. */
function commonProblems(
  { access, passesBlocks }: RouteRules,
  { method, path }: Pick<RouteConfig, "method" | "path">,
) {
  return problemAnswers(
    ...(access === "public" ? [] : ([401, 403] as const)),
    ...(isUnsafe(method) ? ([400, 403, 413, 415] as const) : []), // 403: for tokens in cookies
    ...(countsToLimits({ path }) ? ([429, 503] as const) : []),
    ...(countsToLimits({ path }) && passesBlocks !== true ? ([403] as const) : []),
  );
}

function isUnsafe(method: string): boolean {
  return !["get", "head", "options", "trace"].includes(method);
}

/** A JSON request body of this shape, for a route's `request`. Unknown members are dropped. */
export function jsonBody<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>) {
  return { body: { required: true, content: { "application/json": { schema } } } } as const;
}

/**
 * A form of this shape (RFC 6749 appendix B), for a route's `request`. What is wrong with it is
 * answered in the words of RFC 6749 §5.2, and unknown parameters are ignored (§3.2).
 */
export function formBody<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>) {
  return { body: { required: true, content: { [FORM]: { schema } } } } as const;
}

/** A JSON answer of this shape, for a route's `responses`. */
export function jsonAnswer<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { "application/json": { schema } } } as const;
}

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    error: z.string(),
    request_id: z.string(),
    details: z.array(z.union([z.string(), z.object({ field: z.string(), message: z.string() })])).optional(),
    retry_after: z.int().optional(),
    /** Beside `mfa_required`. */
    mfa_token: z.string().optional(),
  })
  .openapi("Problem");

/** The problem answers that a route can give, by status. */
export function problemAnswers(...statuses: ProblemStatus[]) {
  const content = { "application/problem+json": { schema: problemSchema } };
  return Object.fromEntries(
    statuses.map((status) => [status, { description: "Problem (RFC 9457)", content }]),
  );
}

/**
 * Mounts a route. In order: with credentials, its limits are charged and they are checked before
 * the body is looked at; without, the body is validated first, so that a typing error costs
 * nobody one of three registrations an hour. Either way one call to the guard. A body that no route
 * asked for must be as good as any other, or none. `precheck` refuses
 * what no schema can see to be wrong with the input, at the validation's place in the order.
 */
export function serve<R extends Route>(
  app: App,
  route: R,
  handler: RouteHandler<R, AppEnv>,
  precheck?: (c: Parameters<RouteHandler<R, AppEnv>>[0]) => void | Promise<void>,
): void {
  const rules = route["x-rules"];
  const { access } = rules;
  const isPublic = access === "public";
  const isForm = route.request?.body?.content[FORM] !== undefined;
  const before: MiddlewareHandler<AppEnv>[] = [];
  if (access !== "public") {
    const credentials = CREDENTIALS[access](rules.permission);
    before.push(
      async (c, next) => {
        c.set("access", access);
        await admit(c, rules.limits, rules);
        await next();
        endGuess(c);
      },
      rules.passesBlocks ? unlessBanned(credentials) : credentials,
    );
  }
  const takesBody = route.request?.body !== undefined;
  if (takesBody || isUnsafe(route.method)) {
    before.push(async (c, next) => {
      if (!takesBody && c.req.raw.body === null) return next();
      const refusal = await (isForm ? refusalOfForm(c) : refusalOfBody(c));
      if (refusal === null) return next();
      if (isPublic) await admit(c, []);
      throw refusal;
    });
  }

  const guarded = async (...[c, next]: Parameters<RouteHandler<R, AppEnv>>): Promise<unknown> => {
    const refusal = await refusalOf(() => precheck?.(c));
    if (isPublic && countsToLimits(route)) await admit(c, refusal === null ? rules.limits : [], rules);
    if (refusal !== null) throw refusal;
    try {
      return await handler(c, next);
    } finally {
      endGuess(c);
    }
  };
  const refuse: Hook<unknown, AppEnv, string, unknown> = async (result, c) => {
    if (result.success) return;
    if (isPublic) await admit(c, []);
    const sent = isForm ? await c.req.parseBody() : await c.req.json().catch(() => ({}));
    throw invalidInput(route, result.error.issues, sent);
  };
  // The library ties a handler's type to its route's; what wraps the handler changes neither.
  app.openapi({ ...route, middleware: before }, guarded as never, refuse as never);
}

/** A banned address is let through for its credential alone: with a wrong one it is told that it is banned. */
function unlessBanned(credentials: MiddlewareHandler<AppEnv>): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    try {
      return await credentials(c, next);
    } catch (error) {
      if (error instanceof Refusal) await refuseBanned(c);
      throw error;
    }
  };
}

/** Everything under `/api/` and `/oauth/` counts to the address's limit; documents and keys do not. */
export function countsToLimits({ path }: { path: string }): boolean {
  return /^\/(?:api|oauth)(?:\/|$)/.test(path); // the app sees `/api/` without its slash
}

async function refusalOf(check: () => void | Promise<void>): Promise<unknown> {
  try {
    await check();
    return null;
  } catch (refusal) {
    return refusal;
  }
}

type Issue = { path: PropertyKey[]; message: string };

function invalidInput(route: Route, issues: readonly Issue[], body: Record<string, unknown>): Refusal {
  const sentence = route["x-rules"].missing;
  const isAbsent = (issue: Issue): boolean => {
    const value = body[String(issue.path[0])];
    return value === undefined || value === null || value === "";
  };
  if (sentence !== undefined && issues.some(isAbsent))
    return new Refusal("missing_fields", { detail: sentence });
  return new Refusal("invalid_request", {
    details: issues.map(({ path, message }) => ({ field: path.map(String).join("."), message })),
  });
}
