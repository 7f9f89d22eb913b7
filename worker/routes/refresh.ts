/** `POST /api/accounts/token/refresh` (RFC 6749 §6, contract §5): verify here, decide in the user's object. */
import { z } from "@hono/zod-openapi";
import { presentDjangoToken } from "../adoption.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { cookieToken, requireAllowedOrigin } from "../http/cookies.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { presentRefreshToken } from "../refresh.ts";
import { handOver, tokenAnswer, tokenAnswerSchema } from "../tokens/token-answer.ts";

/** `refresh` is what clients written for Django call it (contract §9). */
const body = z.object({ refresh_token: z.string().nullish(), refresh: z.unknown().optional() });
type Body = z.infer<typeof body>;

const route = defineRoute(
  {
    access: "public",
    tier: "confirmed",
    limits: ["refresh"],
    cost: "1 UserAuthority call (1 row written), 1 signature checked, 2 signatures",
  },
  {
    method: "post",
    path: "/api/accounts/token/refresh",
    summary: "Exchange a refresh token for a new pair",
    request: jsonBody(body),
    responses: {
      200: jsonAnswer("The next token pair", tokenAnswerSchema),
      ...problemAnswers(400, 401, 403, 413, 415, 429, 503),
    },
  },
);

export function mountRefresh(app: App): void {
  serve(
    app,
    route,
    async (c) => {
      const { token, by } = presentedBy(c, c.req.valid("json"));
      // Django's first, and only while it is accepted: what is nobody's is told as a bad token.
      const djangos = await presentDjangoToken(c, token);
      const answer = djangos.kind === "invalid" ? await presentRefreshToken(c, token) : djangos;
      switch (answer.kind) {
        case "invalid":
          throw new Refusal("invalid_refresh_token");
        case "denied":
          throw new Refusal(answer.reason === "reused" ? "refresh_token_reused" : "refresh_token_revoked");
        case "adopted":
        case "rotated":
        case "repeated": {
          const pair = await tokenAnswer(serviceOf(c), answer.grant, "Token refreshed successfully");
          return c.json(handOver(c, pair, by), 200);
        }
      }
    },
    (c) => {
      presentedBy(c, c.req.valid("json"));
    },
  );
}

/** The token and how it came, which is how its successor goes: in the body or, if not there, in the cookie. */
function presentedBy(
  c: AppContext,
  { refresh_token, refresh }: Body,
): { token: string; by: "bearer" | "cookie" } {
  const inBody = refresh_token ?? (serviceOf(c).config.compatSimplejwt ? refresh : null);
  if (typeof inBody === "string" && inBody !== "") return { token: inBody, by: "bearer" };
  const inCookie = cookieToken(c, "refresh");
  if (inCookie === null) throw new Refusal("missing_fields", { detail: "Refresh token is required" });
  requireAllowedOrigin(c);
  return { token: inCookie, by: "cookie" };
}
