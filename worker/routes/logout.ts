/**
 * `POST /api/accounts/logout`: ends this session, all others, or all. By access token in the
 * header or refresh token in the body; without a good one nothing ends, and that is said (REV-11).
 */
import { z } from "@hono/zod-openapi";
import type { UserId } from "../../schema/ids.ts";
import type { Bearer, RevocationScope } from "../../schema/user-authority.ts";
import { bearerToken, identify } from "../auth/bearer.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { receiptOf, receiptSchema } from "../receipt.ts";
import { verifyRefreshToken } from "../tokens/refresh-token.ts";
import { noteDenial } from "../tokens/revocation-cache.ts";

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
    if (caller === null) return already();

    const { client, requestId } = c.var.facts;
    const ending = scopeOf(scope ?? serviceOf(c).config.logoutScope, caller.by);
    const command = { by: caller.by, scope: ending, reason: "logout" as const, client, requestId };
    const answer = await reach("user_authority", () => userAuthority(c.env, caller.userId).revoke(command));
    if (answer.kind === "denied") return already();
    noteDenial(caller.userId, answer.denial);
    return c.json({ message: "Logout successful", ...receiptOf(answer) }, 200);
  });
}

type Caller = { userId: UserId; by: Bearer };

/** Any authentic token of a session will do, also a refresh token that was replaced: it can only log out. */
async function callerOf(c: AppContext, refreshToken: string | null): Promise<Caller | null> {
  const found = await identify(c, bearerToken(c.req.header("Authorization")));
  if (found.kind === "bearer") {
    const { user_id, sid, ep } = found.claims;
    return { userId: user_id, by: { sid, ep } };
  }
  if (refreshToken === null) return null;
  const claims = await verifyRefreshToken(serviceOf(c), refreshToken, c.var.facts.now);
  return claims === null ? null : { userId: claims.user_id, by: { sid: claims.sid, ep: null } };
}

function scopeOf(scope: "global" | "local" | "others", by: Bearer): RevocationScope {
  if (scope === "local") return { kind: "one", sid: by.sid };
  return { kind: scope === "global" ? "all" : "others" };
}
