/**
 * `POST /api/accounts/logout`: ends this session, all others, or all. By access token in the
 * header or refresh token in the body, whichever is still good; without one nothing ends, and that is
 * said (REV-11).
 */
import { z } from "@hono/zod-openapi";
import type { UserId } from "../../schema/ids.ts";
import type { Bearer, RevocationScope, RevokeAnswer } from "../../schema/user-authority.ts";
import { tell } from "../audit.ts";
import { presentedToken } from "../auth/bearer.ts";
import { bearerFrom } from "../auth/tiers.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { logOutOfDjango } from "../end-django.ts";
import { revokedBefore } from "../era.ts";
import { clearTokenCookies, cookieToken, isForeign, requireAllowedOrigin } from "../http/cookies.ts";
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
    cost: "1 UserAuthority call (3 rows written and 1 alarm, however many sessions; others: 2 a session and 1), 1 signature checked; with a dead access token beside a refresh token twice",
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
    const wish = scope ?? serviceOf(c).config.logoutScope;
    const token = refresh_token ?? null;
    const ended = (await endFirst(c, token, wish)) ?? (await logOutOfDjango(c, token, scope ?? null));
    // After the tokens were looked at, and for no foreign page: one whose request came without them,
    // since they are SameSite=Strict, must not even do that. Who ends the others stays.
    if (!isForeign(c) && (ended === null || wish !== "others")) clearTokenCookies(c);
    if (ended === null) return c.json({ message: "Already logged out" }, 200);
    return c.json({ message: "Logout successful", ...receiptOf(ended) }, 200);
  });
}

type Wish = "global" | "local" | "others";
type Caller = { userId: UserId; by: Bearer };
type Ended = Extract<RevokeAnswer, { kind: "revoked" }>;

/**
 * Ends what is wished for the first presented token that is good for it, or null. One that is not
 * good any more, because its session has ended, must not hide another that is.
 */
async function endFirst(c: AppContext, refreshToken: string | null, wish: Wish): Promise<Ended | null> {
  for (const find of [callerByAccess, callerByRefresh]) {
    const caller = await find(c, refreshToken);
    const ended = caller === null ? null : await end(c, caller, wish);
    if (ended !== null) return ended;
  }
  return null;
}

async function end(c: AppContext, { userId, by }: Caller, wish: Wish): Promise<Ended | null> {
  const { client, requestId } = c.get("facts");
  const scope = scopeOf(wish, by);
  const { revokedBefore } = by;
  const command = { by, scope, reason: "logout" as const, note: null, client, requestId, revokedBefore };
  const answer = await reach("user_authority", () => userAuthority(c.env, userId).revoke(command));
  if (answer.kind === "denied") return null;
  noteDenial(userId, answer.denial);
  tell(c, { type: "logged_out", userId, actor: `user:${userId}`, sid: by.sid, reason: scope.kind });
  return answer;
}

async function callerByAccess(c: AppContext): Promise<Caller | null> {
  const token = presentedToken(c);
  const claims = token === null ? null : await verifyAccessToken(serviceOf(c), token, c.get("facts").now);
  if (claims === null) return null;
  return { userId: claims.user_id, by: await bearerFrom(claims, c.env, c.executionCtx) };
}

/**
 * Any authentic one will do, also one that was replaced: it can only log out, and the user's object
 * knows whether its session is live.
 */
async function callerByRefresh(c: AppContext, refreshToken: string | null): Promise<Caller | null> {
  const token = refreshToken ?? refreshCookie(c);
  const claims = token === null ? null : await verifyRefreshToken(serviceOf(c), token, c.get("facts").now);
  if (claims === null) return null;
  const by = { sid: claims.sid, ep: null, revokedBefore: await revokedBefore(c.env, c.executionCtx) };
  return { userId: claims.user_id, by };
}

function refreshCookie(c: AppContext): string | null {
  const token = cookieToken(c, "refresh");
  if (token !== null) requireAllowedOrigin(c);
  return token;
}

function scopeOf(scope: Wish, by: Bearer): RevocationScope {
  if (scope === "local") return { kind: "one", sid: by.sid };
  return { kind: scope === "global" ? "all" : "others" };
}
