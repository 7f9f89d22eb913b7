/** `POST /api/accounts/token/refresh` (RFC 6749 §6, contract §5): verify here, decide in the user's object. */
import { z } from "@hono/zod-openapi";
import { reach, userAuthority } from "../authorities.ts";
import { type App, serviceOf } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { clientKey } from "../tokens/refresh-key.ts";
import { verifyRefreshToken } from "../tokens/refresh-token.ts";
import { noteDenial } from "../tokens/revocation-cache.ts";
import { tokenAnswer, tokenAnswerSchema } from "../tokens/token-answer.ts";

const route = defineRoute(
  {
    access: "public",
    tier: "confirmed",
    limits: ["refresh"],
    cost: "1 UserAuthority call (1 row written), 1 signature checked, 2 signatures",
    missing: "Refresh token is required",
  },
  {
    method: "post",
    path: "/api/accounts/token/refresh",
    summary: "Exchange a refresh token for a new pair",
    request: jsonBody(z.object({ refresh_token: z.string().min(1) })),
    responses: {
      200: jsonAnswer("The next token pair", tokenAnswerSchema),
      ...problemAnswers(400, 401, 413, 415, 429, 503),
    },
  },
);

export function mountRefresh(app: App): void {
  serve(app, route, async (c) => {
    const service = serviceOf(c);
    const { now, client, requestId } = c.var.facts;
    const claims = await verifyRefreshToken(service, c.req.valid("json").refresh_token, now);
    if (claims === null) throw new Refusal("invalid_refresh_token"); // reaches no object (REF-14)

    const command = {
      sid: claims.sid,
      presented: claims.token,
      successor: newTokenId(),
      clientKey: await clientKey(service.config, client),
      client,
      requestId,
    };
    const answer = await reach("user_authority", () => userAuthority(c.env, claims.user_id).refresh(command));
    if (answer.kind === "denied") {
      noteDenial(claims.user_id, answer.denial);
      throw new Refusal(answer.reason === "reused" ? "refresh_token_reused" : "refresh_token_revoked");
    }
    return c.json(await tokenAnswer(service, answer.grant, "Token refreshed successfully"), 200);
  });
}
