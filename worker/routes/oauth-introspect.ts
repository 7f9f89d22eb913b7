/**
 * `POST /oauth/introspect` (RFC 7662): is this token good at this very moment? The user's object
 * confirms it, at nobody's expense: who asks about a user must not use up that user's requests.
 *
 * `token_use` tells the kinds apart. A resource server must refuse a refresh token, so only an access
 * token has `token_type: "Bearer"`; whoever takes API keys as well asks for `token_use: "api_key"`.
 */
import { z } from "@hono/zod-openapi";
import { API_KEY_PREFIX } from "../../schema/api-keys.ts";
import { isOfEarlierEra } from "../../schema/revocation.ts";
import { checkKey, keyClaims, noteUse } from "../api-keys.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { oauthErrors } from "../http/oauth-errors.ts";
import { defineRoute, formBody, jsonAnswer, serve } from "../http/route.ts";
import { isOutdated } from "../roles.ts";
import { sessionOf, verifyAnyToken } from "../tokens/any-token.ts";

const form = z.object({
  token: z.string().min(1),
  token_type_hint: z.string().optional().openapi({ description: "Not needed: a token tells its own kind" }),
});

const claims = {
  active: z.literal(true),
  iss: z.string(),
  aud: z.string(),
  sub: z.string(),
  user_id: z.int(),
  sid: z.string(),
  jti: z.string(),
  iat: z.int(),
  exp: z.int(),
};
const answerSchema = z
  .union([
    z.object({ active: z.literal(false) }),
    z.object({
      ...claims,
      token_use: z.literal("access_token"),
      token_type: z.literal("Bearer"),
      username: z.string(),
      email: z.string().optional(),
      role: z.string(),
      scope: z.string().optional(),
      auth_time: z.int(),
      amr: z.array(z.string()),
      ep: z.int(),
      rv: z.int().optional(),
    }),
    z.object({ ...claims, token_use: z.literal("refresh_token") }),
    z.object({
      active: z.literal(true),
      token_use: z.literal("api_key"),
      key_id: z.string(),
      sub: z.string(),
      user_id: z.int(),
      /** What the key and its owner's role both allow. */
      scope: z.string().optional(),
      iat: z.int(),
      exp: z.int().optional(),
    }),
  ])
  .openapi("Introspection");
type Introspection = z.infer<typeof answerSchema>;

const route = defineRoute(
  {
    access: "admin",
    tier: "confirmed",
    limits: [],
    permission: "tokens:introspect",
    cost: "1 UserAuthority call (no row written), at most 2 signatures checked; an API key: 1 D1 query",
    missing: "The parameter token is required",
  },
  {
    method: "post",
    path: "/oauth/introspect",
    summary: "Whether a token is good at this moment",
    security: [{ bearer: [] }],
    request: formBody(form),
    responses: {
      200: jsonAnswer("RFC 7662 §2.2", answerSchema),
      ...oauthErrors(401, 403, 413, 415, 429, 503),
    },
  },
);

const INACTIVE = { active: false } as const;

export function mountOAuthIntrospect(app: App): void {
  serve(app, route, async (c) => c.json(await introspect(c, c.req.valid("form").token), 200));
}

/** RFC 7662 §2.2: for a token that is not good, that and nothing more. */
async function introspect(c: AppContext, presented: string): Promise<Introspection> {
  if (presented.startsWith(API_KEY_PREFIX)) return introspectKey(c, presented);
  const token = await verifyAnyToken(serviceOf(c), presented, c.get("facts").now);
  if (token === null) return INACTIVE;
  const by = sessionOf(token, await revokedBefore(c.env, c.executionCtx));

  const { user_id } = token.claims;
  const answer = await reach("user_authority", () => userAuthority(c.env, user_id).confirm(by));
  if (answer.kind === "denied") return INACTIVE;

  if (token.kind === "refresh") {
    const { token: name, token_type: _kind, ...said } = token.claims;
    // One that was replaced is not good any more, though it may still be told its successor.
    if (name.tokenId !== answer.newest) return INACTIVE;
    return { active: true, token_use: "refresh_token", ...said };
  }
  if (isOfEarlierEra(token.claims, by.revokedBefore)) return INACTIVE;
  if (await isOutdated(c.env, c.executionCtx, token.claims)) return INACTIVE;
  const { role } = answer.user; // at this moment, not when the token was made
  return { active: true, token_use: "access_token", ...token.claims, token_type: "Bearer", role };
}

async function introspectKey(c: AppContext, presented: string): Promise<Introspection> {
  const { now } = c.get("facts");
  const verdict = await checkKey(c.env.DB, presented, now);
  if (verdict.kind !== "good") return INACTIVE;
  noteUse({ env: c.env, ctx: c.executionCtx }, verdict.key, now);
  return { active: true, token_use: "api_key", ...keyClaims(verdict.key) };
}
