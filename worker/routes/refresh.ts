/** `POST /api/accounts/token/refresh` (RFC 6749 §6, contract §5): verify here, decide in the user's object. */
import { z } from "@hono/zod-openapi";
import type { SessionId } from "../../schema/ids.ts";
import type { RefreshAnswer } from "../../schema/user-authority.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { revokedBefore } from "../era.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { clientKey } from "../tokens/refresh-key.ts";
import { verifyRefreshToken } from "../tokens/refresh-token.ts";
import { tokenAnswer, tokenAnswerSchema } from "../tokens/token-answer.ts";
import { noteDenial } from "../user-cache.ts";

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
    const answer = await presentRefreshToken(c, c.req.valid("json").refresh_token);
    switch (answer.kind) {
      case "invalid":
        throw new Refusal("invalid_refresh_token");
      case "denied":
        throw new Refusal(answer.reason === "reused" ? "refresh_token_reused" : "refresh_token_revoked");
      case "rotated":
      case "repeated":
        return c.json(await tokenAnswer(serviceOf(c), answer.grant, "Token refreshed successfully"), 200);
    }
  });
}

/** Presentations that this isolate is waiting for, by family: what a verdict on reuse wants to know. */
const inFlight = new Map<SessionId, number>();

/** Verifies a refresh token here and lets its user's object decide. A bad one reaches no object (REF-14). */
export async function presentRefreshToken(
  c: AppContext,
  token: string,
): Promise<RefreshAnswer | { kind: "invalid" }> {
  const service = serviceOf(c);
  const { now, client, requestId } = c.var.facts;
  const claims = await verifyRefreshToken(service, token, now);
  if (claims === null) return { kind: "invalid" };

  const { sid } = claims;
  inFlight.set(sid, (inFlight.get(sid) ?? 0) + 1);
  try {
    const command = {
      sid,
      presented: claims.token,
      successor: newTokenId(),
      clientKey: await clientKey(service.config, client),
      client,
      requestId,
      revokedBefore: await revokedBefore(c.env, c.executionCtx),
      inFlight: inFlight.get(sid) ?? 1,
    };
    const answer = await reach("user_authority", () => userAuthority(c.env, claims.user_id).refresh(command));
    if (answer.kind === "denied") {
      noteDenial(claims.user_id, answer.denial);
      return answer;
    }
    // Everyone may have been revoked while the object was being asked: see era.ts.
    const isOver = answer.grant.createdAt < (await revokedBefore(c.env, c.executionCtx));
    return isOver ? { kind: "denied", reason: "revoked", denial: null } : answer;
  } finally {
    const left = (inFlight.get(sid) ?? 1) - 1;
    if (left === 0) inFlight.delete(sid);
    else inFlight.set(sid, left);
  }
}
