/** `GET /api/accounts/user`: one's own account. */
import { z } from "@hono/zod-openapi";
import { accountSchema, accountView } from "../account-view.ts";
import { userIdOf } from "../auth/bearer.ts";
import { type App, serviceOf } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { findWithProfile } from "../users.ts";

const route = defineRoute(
  {
    access: "bearer",
    tier: "leased",
    limits: [],
    permission: "profile:read",
    cost: "1 D1 query, 1 signature checked, 1 UserAuthority call (1 row written) in 5 s or in half of the user's limit",
  },
  {
    method: "get",
    path: "/api/accounts/user",
    summary: "Read one's own account",
    security: [{ bearer: [] }],
    responses: {
      200: jsonAnswer(
        "The account; for clients written for Django three members of it also beside it",
        z.object({
          user: accountSchema,
          ...accountSchema.pick({ id: true, username: true, email: true }).partial().shape,
        }),
      ),
      ...problemAnswers(401, 403, 429, 503),
    },
  },
);

export function mountUser(app: App): void {
  serve(app, route, async (c) => {
    const row = await findWithProfile(c.env.DB, userIdOf(c));
    if (row === null || row.is_active !== 1) throw new Refusal("access_token_revoked");
    const user = accountView(row);
    if (!serviceOf(c).config.compatSimplejwt) return c.json({ user }, 200);
    const { id, username, email } = user;
    return c.json({ user, id, username, email: email ?? "" }, 200); // Django has no null there
  });
}
