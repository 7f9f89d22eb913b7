/** Who is asking, by access token in the `Authorization` header (RFC 6750 §2.1) or a cookie, and nowhere else (TOK-13). */
import { createMiddleware } from "hono/factory";
import type { AccessClaims } from "../../schema/claims.ts";
import type { UserId } from "../../schema/ids.ts";
import { log } from "../../schema/log.ts";
import { isAllowed } from "../../schema/permissions.ts";
import { toIso } from "../../schema/time.ts";
import { tellBadToken } from "../abuse.ts";
import { type AppContext, type AppEnv, serviceOf } from "../context.ts";
import { cookieToken, requireAllowedOrigin } from "../http/cookies.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { permissionsOf } from "../roles.ts";
import { verifyAccessToken } from "../tokens/access-token.ts";
import { authenticateApiKey, presentedApiKey } from "./api-key.ts";
import { bearerToken } from "./bearer-token.ts";
import { checkDjangos, djangoSessionClaims, djangoTokenClaims } from "./django-bearer.ts";
import { checkConfirmed, checkLeased, checkLocal, type TierVerdict } from "./tiers.ts";

/**
 * The access token that a request presents: in the header or, for pages that keep it in a cookie,
 * there; then an unsafe request must also come from an allowed origin.
 */
export function presentedToken(c: AppContext): string | null {
  const inHeader = bearerToken(c.req.header("Authorization"));
  if (inHeader !== null) return inHeader;
  const inCookie = cookieToken(c, "access");
  if (inCookie !== null) requireAllowedOrigin(c);
  return inCookie;
}

/** How a route asks whether an authentic token is still good. */
export type TierCheck = (c: AppContext, claims: AccessClaims) => Promise<TierVerdict>;

export const confirmed: TierCheck = (c, claims) => {
  return checkConfirmed(c.env, c.executionCtx, serviceOf(c).config, claims);
};

export const local: TierCheck = (c, claims) => checkLocal(c.env, c.executionCtx, serviceOf(c).config, claims);

/** With the user's object down, signature and KV decide: bounded, and logged. */
export const leased: TierCheck = async (c, claims) => {
  try {
    return await checkLeased(c.env, c.executionCtx, serviceOf(c).config, claims);
  } catch (error) {
    if (!(error instanceof Outage)) throw error;
    const { now, requestId } = c.get("facts");
    log(toIso(now), { level: "error", event: "lease_unavailable", part: error.part, request_id: requestId });
    return checkLocal(c.env, c.executionCtx, serviceOf(c).config, claims);
  }
};

/**
 * The claims of a good token, or the refusal that fits; no hint at which check failed (TOK-08). A
 * token that is good but asks too often is told so, in the headers of its user's limit.
 */
export async function authenticate(
  c: AppContext,
  token: string | null,
  check: TierCheck,
): Promise<AccessClaims> {
  const { now, requestId } = c.get("facts");
  const presented = await presentedClaims(c, token, check);
  const { claims } = presented;
  const verdict = await presented.check(c, claims);
  if (verdict.kind === "revoked") throw new Refusal("access_token_revoked");
  if (verdict.budget !== null) c.get("budgets").push(verdict.budget);
  if (verdict.kind === "limited") {
    throw new Refusal("rate_limited", { retryAfterSeconds: verdict.budget.resetSeconds });
  }
  if (verdict.isBlind) {
    log(toIso(now), { level: "warn", event: "revocations_unavailable", request_id: requestId });
  }
  return claims;
}

/** What the request says of itself, and how to ask whether that is still good. */
async function presentedClaims(
  c: AppContext,
  token: string | null,
  check: TierCheck,
): Promise<{ claims: AccessClaims; check: TierCheck }> {
  const mayBeDjangos = check === leased; // what is confirmed needs a session of ours
  const own = token === null ? null : await verifyAccessToken(serviceOf(c), token, c.get("facts").now);
  if (own !== null) return { claims: own, check };
  const ask = () => (token === null ? djangoSessionClaims(c) : djangoTokenClaims(c, token));
  const djangos = mayBeDjangos ? await ask() : null;
  if (djangos === null) throw new Refusal(token === null ? "token_required" : "invalid_access_token");
  return { claims: djangos, check: checkDjangos };
}

/** The same for what a request presents as its own credential: a token that is none of ours is told, and one too many is 403. */
export async function authenticateCredential(
  c: AppContext,
  token: string | null,
  check: TierCheck,
): Promise<AccessClaims> {
  try {
    return await authenticate(c, token, check);
  } catch (error) {
    if (error instanceof Refusal && error.code === "invalid_access_token" && token !== null)
      await tellBadToken(c, token);
    throw error;
  }
}

/**
 * Lets a request through with a good access token; where the route names a permission, only if the
 * token's role has it (default deny), or with an API key that has it.
 */
export function requireBearer(check: TierCheck) {
  return (permission?: string) =>
    createMiddleware<AppEnv>(async (c, next) => {
      const apiKey = presentedApiKey(c);
      if (apiKey !== null) {
        c.set("userId", await authenticateApiKey(c, apiKey, permission));
        return next();
      }
      const claims = await authenticateCredential(c, presentedToken(c), check);
      if (permission !== undefined) {
        const granted = await permissionsOf(c.env, c.executionCtx, claims.role);
        if (!isAllowed(granted, permission)) throw new Refusal("permission_denied");
      }
      c.set("bearer", claims);
      c.set("userId", claims.user_id);
      await next();
    });
}

/** Whose account it is about, on a route that an API key may use. Throws where nobody had to say. */
export function userIdOf(c: AppContext): UserId {
  const userId = c.get("userId");
  if (userId === null) throw new Error("the route does not require a bearer");
  return userId;
}

/** The claims that `requireBearer` found. Throws on a route that does not require them. */
export function bearerOf(c: AppContext): AccessClaims {
  const claims = c.get("bearer");
  if (claims === null) throw new Error("the route does not require a bearer");
  return claims;
}
