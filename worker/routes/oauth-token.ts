/**
 * `POST /oauth/token` (RFC 6749 §6): the refresh of `/api/accounts/token/refresh` for clients that
 * speak OAuth. Clients are public and not registered, so that whatever one says of itself
 * (`client_id`, a secret) is ignored: the refresh token alone is the credential.
 */
import { z } from "@hono/zod-openapi";
import { decodeJwt } from "jose";
import { reach, userAuthority } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { oauthError, oauthErrors } from "../http/oauth-errors.ts";
import { defineRoute, formBody, jsonAnswer, serve } from "../http/route.ts";
import { presentRefreshToken } from "../refresh.ts";
import { permissionsOf } from "../roles.ts";
import { verifyRefreshToken } from "../tokens/refresh-token.ts";
import { tokenAnswer } from "../tokens/token-answer.ts";

const text = z.string().min(1);
/** Which of the others are required depends on `grant_type`, so only that one is. */
const form = z.object({
  grant_type: text.openapi({ example: "refresh_token" }),
  refresh_token: text.optional(),
  scope: text.optional(),
});

const answerSchema = z
  .object({
    access_token: z.string(),
    token_type: z.literal("Bearer"),
    expires_in: z.int(),
    refresh_token: z.string(),
    refresh_expires_in: z.int(),
    scope: z.string().optional(),
    session_id: z.string(),
  })
  .openapi("OAuthTokenAnswer");

const route = defineRoute(
  {
    access: "public",
    tier: "confirmed",
    limits: ["refresh"],
    cost: "1 UserAuthority call (1 row written), 1 signature checked, 2 signatures; with a scope 1 call and 1 signature checked more",
    missing: "The parameter grant_type is required",
  },
  {
    method: "post",
    path: "/oauth/token",
    summary: "Exchange a refresh token for a new pair, in OAuth's terms",
    request: formBody(form),
    responses: {
      200: jsonAnswer("The next token pair (RFC 6749 §5.1)", answerSchema),
      ...oauthErrors(413, 415, 429, 503),
    },
  },
);

export function mountOAuthToken(app: App): void {
  serve(app, route, async (c) => {
    const { grant_type, refresh_token, scope } = c.req.valid("form");
    if (grant_type !== "refresh_token") {
      return oauthError(c, "unsupported_grant_type", "Only the grant type refresh_token is supported");
    }
    if (refresh_token === undefined) {
      return oauthError(c, "invalid_request", "The parameter refresh_token is required");
    }
    // Before the token is used up. RFC 6749 §6 allows the scope that was granted: all that the role may do.
    if (scope !== undefined && !(await isGranted(c, refresh_token, scope)))
      return oauthError(
        c,
        "invalid_scope",
        "Tokens have the scope of their user's role, no more and no less",
      );

    const answer = await presentRefreshToken(c, refresh_token);
    // Forged, expired, revoked or reused: one answer, no hint at which check failed.
    if (answer.kind === "invalid" || answer.kind === "denied") {
      return oauthError(c, "invalid_grant", "The refresh token is invalid, expired or revoked");
    }
    const { user: _user, message: _message, ...pair } = await tokenAnswer(serviceOf(c), answer.grant, "");
    const granted = decodeJwt<{ scope?: string }>(pair.access_token).scope;
    c.header("Pragma", "no-cache"); // RFC 6749 §5.1, beside the no-store of every answer here
    return c.json({ ...pair, ...(granted === undefined ? {} : { scope: granted }) }, 200);
  });
}

/**
 * Whether this is the scope of the token's user at this moment, in any order. Of a token that is not
 * good it is not asked: that is for the exchange to say. While the roles are unknown, an outage.
 */
async function isGranted(c: AppContext, refreshToken: string, scope: string): Promise<boolean> {
  const claims = await verifyRefreshToken(serviceOf(c), refreshToken, c.get("facts").now);
  if (claims === null) return true;
  const by = { sid: claims.sid, ep: null, revokedBefore: await revokedBefore(c.env, c.executionCtx) };
  const answer = await reach("user_authority", () => userAuthority(c.env, claims.user_id).confirm(by));
  if (answer.kind === "denied") return true;
  const granted = new Set(await permissionsOf(c.env, c.executionCtx, answer.user.role));
  return new Set(scope.split(" ")).symmetricDifference(granted).size === 0;
}
