/**
 * `POST /api/accounts/session/exchange`: a Django session for a token pair, once. Without it a
 * person who is signed in to the system before would have to sign in again.
 */
import { z } from "@hono/zod-openapi";
import { getCookie } from "hono/cookie";
import { adopt } from "../adoption.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { requireAllowedOrigin } from "../http/cookies.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { findSessionUser, legacyOf, recordExchange } from "../legacy.ts";
import { handOver, tokenAnswer, tokenAnswerSchema, transport } from "../tokens/token-answer.ts";

const route = defineRoute(
  {
    access: "public",
    tier: "confirmed",
    limits: ["auth"],
    cost: "1 D1 query, 1 row written, 1 more after the answer, 1 UserAuthority call (4 rows written), 2 signatures; refused: 1 D1 query",
  },
  {
    method: "post",
    path: "/api/accounts/session/exchange",
    summary: "Exchange a Django session, in X-Django-Session or the sessionid cookie, for a token pair",
    request: {
      body: { ...jsonBody(z.object({ transport })).body, required: false },
      headers: z.object({ "x-django-session": z.string().optional() }),
      cookies: z.object({ sessionid: z.string().optional() }),
    },
    responses: {
      200: jsonAnswer("The new session", tokenAnswerSchema),
      ...problemAnswers(400, 401, 403, 413, 415, 429, 503),
    },
  },
);

export function mountExchange(app: App): void {
  serve(
    app,
    route,
    async (c) => {
      const legacy = legacyOf(c);
      const { now } = c.get("facts");
      const found = legacy === null ? null : await findSessionUser(c.env.DB, legacy, presentedKey(c), now);
      if (found === null) throw new Refusal("invalid_django_session");
      const { row, digest, savedAt: issuedAt, expiresAt, isExchanged } = found;
      const adoption = await adopt(c, row, { kind: "session", id: digest, issuedAt, expiresAt });
      if (adoption.kind === "denied") throw new Refusal("invalid_django_session");
      // Before the pair is handed out: otherwise its logout could leave the session good (DJANGO_SESSIONS=accept).
      if (!isExchanged) await recordExchange(c.env.DB, digest, now);
      const pair = await tokenAnswer(serviceOf(c), adoption.grant, "Session exchanged successfully");
      return c.json(handOver(c, pair, c.req.valid("json").transport), 200);
    },
    (c) => {
      presentedKey(c);
    },
  );
}

/** A header is nobody's by accident; a cookie comes with any page's request, so its origin is asked for. */
function presentedKey(c: AppContext): string {
  const inHeader = c.req.header("X-Django-Session");
  if (inHeader !== undefined && inHeader !== "") return inHeader;
  const inCookie = getCookie(c, "sessionid");
  if (inCookie === undefined) throw new Refusal("missing_fields", { detail: "Django session is required" });
  requireAllowedOrigin(c);
  return inCookie;
}
