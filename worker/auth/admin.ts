/**
 * Admin routes (the contract's `M`): an access token of a user who is an admin at this moment, or
 * the operator's `ADMIN_TOKEN`. Default deny (ADM-01, ADM-04, ADM-05).
 */
import { createMiddleware } from "hono/factory";
import type { AccessClaims } from "../../schema/claims.ts";
import type { UserId } from "../../schema/ids.ts";
import { hasSecondFactor } from "../../schema/mfa.ts";
import { ADMIN_ROLE } from "../../schema/permissions.ts";
import { hourOf } from "../../schema/security-hours.ts";
import { tellBadToken } from "../abuse.ts";
import { eventOf, recordEvents, tell } from "../audit.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type AppContext, type AppEnv, routeOf, serviceOf } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { equalBytes } from "../passwords/equal-bytes.ts";
import { keyedHash } from "../tokens/refresh-key.ts";
import { authenticateApiKey, presentedApiKey } from "./api-key.ts";
import { authenticateCredential, confirmed, presentedToken } from "./bearer.ts";
import { bearerFrom } from "./tiers.ts";

/**
 * Lets a request through that an admin or the operator makes; where the route names a permission,
 * also one with an API key that has it.
 */
export const requireAdmin = (permission?: string) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const token = presentedToken(c);
    const apiKey = presentedApiKey(c);
    if (apiKey !== null) {
      const onDenied = (keyId: string, userId: UserId) =>
        tellRefused(c, keyId, { userId, sid: null, reason: "api_key_not_allowed" });
      const userId = await authenticateApiKey(c, apiKey, permission, onDenied);
      c.set("userId", userId);
      c.set("actor", `user:${userId}`);
    } else if (token !== null && (await isOperatorToken(c, token))) {
      c.set("actor", "operator");
    } else {
      const claims = await authenticateCredential(c, token, confirmed);
      c.set("bearer", claims);
      c.set("userId", claims.user_id);
      await confirmAdmin(c, claims);
    }
    await next();
  });

/**
 * Throws unless the token's user is an admin at this moment, whatever the token says, whose session
 * began with a second factor where that is required. One object call.
 */
export async function confirmAdmin(c: AppContext, claims: AccessClaims): Promise<void> {
  const by = await bearerFrom(claims, c.env, c.executionCtx);
  const answer = await reach("user_authority", () => userAuthority(c.env, claims.user_id).confirm(by));
  if (answer.kind === "denied") throw new Refusal("access_token_revoked");
  if (answer.user.role !== ADMIN_ROLE) {
    await recordIntruder(c, claims);
    throw new Refusal("permission_denied");
  }
  if (serviceOf(c).config.requireMfaForAdmin === "on" && !hasSecondFactor(claims.amr)) {
    tellRefused(c, claims.sid, { userId: claims.user_id, sid: claims.sid, reason: "second_factor_required" });
    throw new Refusal("second_factor_required");
  }
  c.set("actor", `user:${claims.user_id}`);
}

/** Lets a request through that shows the operator's token, and nobody else. What polls is nobody's action. */
export const requireOperator = () =>
  createMiddleware<AppEnv>(async (c, next) => {
    const token = presentedToken(c);
    if (token === null) throw new Refusal("token_required");
    if (!(await isOperatorToken(c, token))) {
      await tellBadToken(c, token);
      throw new Refusal("invalid_access_token");
    }
    await next();
  });

/** Who acts on an admin route, for the audit trail: `operator` or `user:<id>`. */
export function actorOf(c: AppContext): string {
  const actor = c.get("actor");
  if (actor === null) throw new Error("the route does not require an admin");
  return actor;
}

/** Compared by keyed hashes, so that neither content nor length shows in time. No token set: never. */
async function isOperatorToken(c: AppContext, token: string): Promise<boolean> {
  const { config } = serviceOf(c);
  if (config.adminToken === null) return false;
  const [typed, right] = await Promise.all([
    keyedHash(config, "operator", token),
    keyedHash(config, "operator", config.adminToken),
  ]);
  return equalBytes(typed, right);
}

/**
 * Records that a signed-in user who is no admin asked for something of admins: one event a session
 * and hour, so that asking again and again fills nothing. It is refused whether it is recorded or not.
 */
async function recordIntruder(c: AppContext, { user_id: userId, sid }: AccessClaims): Promise<void> {
  const event = eventOf(c, {
    id: `${sid}.admin_action_refused.${hourOf(c.get("facts").now)}`,
    type: "admin_action_refused",
    userId,
    sid,
    reason: "not_an_admin",
    details: { action: `${c.req.method} ${routeOf(c)}` },
  });
  await recordEvents(c.env, [event]).catch(() => undefined);
}

/** Tells that somebody who could be let in was not: one event an hour, `by` a session or an API key. */
function tellRefused(
  c: AppContext,
  by: string,
  { userId, sid, reason }: { userId: UserId; sid: string | null; reason: string },
): void {
  tell(c, {
    id: `${by}.admin_request.${reason}.${hourOf(c.get("facts").now)}`,
    type: "admin_request",
    userId,
    actor: `user:${userId}`,
    sid,
    reason,
    details: { action: `${c.req.method} ${routeOf(c)}`, status: 403 },
  });
}
