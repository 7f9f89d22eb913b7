/**
 * `POST /oauth/token` (RFC 6749 §6): the refresh of `/api/accounts/token/refresh` for clients that
 * speak OAuth. Clients are public and not registered, so that whatever one says of itself
 * (`client_id`, a secret) is ignored: the refresh token alone is the credential.
 */
import { z } from "@hono/zod-openapi";
import { type App, serviceOf } from "../context.ts";
import { oauthError, oauthErrors } from "../http/oauth-errors.ts";
import { defineRoute, formBody, jsonAnswer, serve } from "../http/route.ts";
import { presentRefreshToken } from "../refresh.ts";
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
    session_id: z.string(),
  })
  .openapi("OAuthTokenAnswer");

const route = defineRoute(
  {
    access: "public",
    tier: "confirmed",
    limits: ["refresh"],
    cost: "1 UserAuthority call (1 row written), 1 signature checked, 2 signatures",
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
    // RFC 6749 §6: never more than was granted, and no scope ever is.
    if (scope !== undefined) return oauthError(c, "invalid_scope", "Tokens of this service have no scope");

    const answer = await presentRefreshToken(c, refresh_token);
    // Forged, expired, revoked or reused: one answer, no hint at which check failed.
    if (answer.kind === "invalid" || answer.kind === "denied") {
      return oauthError(c, "invalid_grant", "The refresh token is invalid, expired or revoked");
    }
    const { user: _user, message: _message, ...pair } = await tokenAnswer(serviceOf(c), answer.grant, "");
    c.header("Pragma", "no-cache"); // RFC 6749 §5.1, beside the no-store of every answer here
    return c.json(pair, 200);
  });
}
