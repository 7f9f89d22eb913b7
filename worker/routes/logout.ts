/**
 * `POST /api/accounts/logout`: ends this session, all others, or all. By access token in the
 * header or refresh token in the body; without a good one nothing ends, and that is said (REV-11).
 */
import { z } from "@hono/zod-openapi";
import type { UserId } from "../../schema/ids.ts";
import type { Bearer, RevocationScope } from "../../schema/user-authority.ts";
import { tell } from "../audit.ts";
import { presentedToken } from "../auth/bearer.ts";
import { bearerFrom } from "../auth/tiers.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { clearTokenCookies, cookieToken, requireAllowedOrigin } from "../http/cookies.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { receiptOf, receiptSchema } from "../receipt.ts";
import { verifyAccessToken } from "../tokens/access-token.ts";
import { verifyRefreshToken } from "../tokens/refresh-token.ts";
import { noteDenial } from "../user-cache.ts";

const body = z.object({
  refresh_token: z.string().nullish(),
  scope: z.enum(["global", "local", "others"]).nullish(),
});

const route = defineRoute(
  {
    access: "public",
    tier: "confirmed",
    limits: [],
    cost: "1 UserAuthority call (3 rows written and 1 alarm, however many sessions; others: 2 a session and 1), 1 signature checked",
  },
  {
    method: "post",
    path: "/api/accounts/logout",
    summary: "End sessions",
    request: jsonBody(body),
    responses: {
      200: jsonAnswer("What ended", receiptSchema.partial().extend({ message: z.string() })),
      ...problemAnswers(400, 413, 415, 429, 503),
    },
  },
);

export function mountLogout(app: App): void {
  serve(app, route, async (c) => {
    const { refresh_token, scope } = c.req.valid("json");
    const already = () => c.json({ message: "Already logged out" }, 200);
    const caller = await callerOf(c, refresh_token ?? null);
    clearTokenCookies(c); // not before: a forged request must not even do that
    if (caller === null) return already();

    const { client, requestId } = c.get("facts");
    const { by } = caller;
    const ending = scopeOf(scope ?? serviceOf(c).config.logoutScope, by);
    const { revokedBefore } = by;
    const command = {
      by,
      scope: ending,
      reason: "logout" as const,
      note: null,
      client,
      requestId,
      revokedBefore,
    };
    const answer = await reach("user_authority", () => userAuthority(c.env, caller.userId).revoke(command));
    if (answer.kind === "denied") return already();
    noteDenial(caller.userId, answer.denial);
    const { userId } = caller;
    tell(c, { type: "logged_out", userId, actor: `user:${userId}`, sid: by.sid, reason: ending.kind });
    return c.json({ message: "Logout successful", ...receiptOf(answer) }, 200);
  });
}

type Caller = { userId: UserId; by: Bearer };

/**
 * Any authentic token will do, also a refresh token that was replaced: it can only log out, and
 * the user's object knows whether its session is live.
 */
async function callerOf(c: AppContext, refreshToken: string | null): Promise<Caller | null> {
  const service = serviceOf(c);
  const { now } = c.get("facts");
  const accessToken = presentedToken(c);
  const access = accessToken === null ? null : await verifyAccessToken(service, accessToken, now);
  if (access !== null) return { userId: access.user_id, by: await bearerFrom(access, c.env, c.executionCtx) };
  const presented = refreshToken ?? refreshCookie(c);
  const refresh = presented === null ? null : await verifyRefreshToken(service, presented, now);
  if (refresh === null) return null;
  const by = { sid: refresh.sid, ep: null, revokedBefore: await revokedBefore(c.env, c.executionCtx) };
  return { userId: refresh.user_id, by };
}

function refreshCookie(c: AppContext): string | null {
  const token = cookieToken(c, "refresh");
  if (token !== null) requireAllowedOrigin(c);
  return token;
}

function scopeOf(scope: "global" | "local" | "others", by: Bearer): RevocationScope {
  if (scope === "local") return { kind: "one", sid: by.sid };
  return { kind: scope === "global" ? "all" : "others" };
}
