/**
 * `POST /oauth/revoke` (RFC 7009): ends the session that a token of either kind belongs to, and
 * with it every token of that session (§2.1). Public clients: who holds a token may end it.
 */
import { z } from "@hono/zod-openapi";
import { reach, userAuthority } from "../authorities.ts";
import { type App, serviceOf } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { oauthErrors } from "../http/oauth-errors.ts";
import { defineRoute, formBody, serve } from "../http/route.ts";
import { sessionOf, verifyAnyToken } from "../tokens/any-token.ts";
import { noteDenial } from "../user-cache.ts";

const form = z.object({
  token: z.string().min(1),
  token_type_hint: z.string().optional().openapi({ description: "Not needed: a token tells its own kind" }),
});

const route = defineRoute(
  {
    access: "public",
    tier: "confirmed",
    limits: [],
    cost: "1 UserAuthority call (3 rows written, 1 alarm), at most 2 signatures checked",
    missing: "The parameter token is required",
  },
  {
    method: "post",
    path: "/oauth/revoke",
    summary: "End the session of a token",
    request: formBody(form),
    responses: {
      200: { description: "The token is not good any more, or never was (RFC 7009 §2.2)" },
      ...oauthErrors(413, 415, 429, 503),
    },
  },
);

export function mountOAuthRevoke(app: App): void {
  serve(app, route, async (c) => {
    const { now, client, requestId } = c.get("facts");
    const token = await verifyAnyToken(serviceOf(c), c.req.valid("form").token, now);
    // RFC 7009 §2.2: for a token that is not good there is nothing left to do, and no error.
    if (token === null) return c.body(null, 200);

    const before = await revokedBefore(c.env, c.executionCtx);
    const { user_id, sid } = token.claims;
    const command = {
      by: sessionOf(token, before),
      scope: { kind: "one" as const, sid },
      reason: "logout" as const,
      note: null,
      client,
      requestId,
      revokedBefore: before,
    };
    // An outage is 503, after which the client must take the token for alive (§2.2.1).
    const answer = await reach("user_authority", () => userAuthority(c.env, user_id).revoke(command));
    if (answer.kind === "revoked") noteDenial(user_id, answer.denial);
    return c.body(null, 200);
  });
}
