/** `POST /api/accounts/token/verify`: is this access token good, and what does it say? */
import { z } from "@hono/zod-openapi";
import { authenticate, local } from "../auth/bearer.ts";
import type { App } from "../context.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";

const activeSchema = z
  .object({
    active: z.literal(true),
    iss: z.string(),
    aud: z.string(),
    sub: z.string(),
    user_id: z.int(),
    username: z.string(),
    email: z.string().optional(),
    role: z.string(),
    scope: z.string().optional(),
    sid: z.string(),
    jti: z.string(),
    iat: z.int(),
    exp: z.int(),
    auth_time: z.int(),
    amr: z.array(z.string()),
    ep: z.int(),
    rv: z.int().optional(),
    token_type: z.literal("access"),
  })
  .openapi("ActiveToken");

const route = defineRoute(
  {
    access: "public",
    tier: "local",
    limits: [],
    cost: "1 signature checked, at most 1 KV read in 5 s per user and isolate",
    missing: "Token is required",
  },
  {
    method: "post",
    path: "/api/accounts/token/verify",
    summary: "Check an access token",
    request: jsonBody(z.object({ token: z.string().min(1) })),
    responses: {
      200: jsonAnswer("The token's claims", activeSchema),
      ...problemAnswers(400, 401, 413, 415, 429),
    },
  },
);

export function mountVerify(app: App): void {
  serve(app, route, async (c) => {
    const claims = await authenticate(c, c.req.valid("json").token, local);
    return c.json({ active: true as const, ...claims }, 200);
  });
}
