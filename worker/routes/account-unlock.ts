/** `POST /api/accounts/unlock`: the owner ends a lockout by a mailed link, also past the ceiling (NIST SP 800-63B). */
import { z } from "@hono/zod-openapi";
import { userState } from "../../schema/users.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { requireToken, useToken } from "../mailed-tokens.ts";

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: ["auth"],
    cost: "2 D1 queries (1 row written), 1 UserAuthority call (2 rows written and 1 alarm if it was locked)",
    missing: "Token is required",
  },
  {
    method: "post",
    path: "/api/accounts/unlock",
    summary: "End a lockout by a mailed token",
    request: jsonBody(z.object({ token: z.string().min(1) })),
    responses: {
      200: jsonAnswer("Not locked any more", z.object({ message: z.string() })),
      ...problemAnswers(400, 413, 415, 429, 503),
    },
  },
);

export function mountAccountUnlock(app: App): void {
  serve(app, route, async (c) => {
    const { now, client, requestId } = c.get("facts");
    const { token } = c.req.valid("json");
    const found = await requireToken(c, token, ["account_unlock"], "invalid_unlock_token");
    const { id: userId } = userState(found.user);
    // First what it is for: were the object down, the owner could try the same link again.
    const command = { userId, note: "owner, by mail", client, requestId };
    await reach("user_authority", () => userAuthority(c.env, userId).unlock(command));
    if (!(await useToken(c.env.DB, found, now))) throw new Refusal("invalid_unlock_token");
    return c.json({ message: "Account unlocked" }, 200);
  });
}
