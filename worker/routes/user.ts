/** `GET /api/accounts/user`: one's own account. */
import { z } from "@hono/zod-openapi";
import { ROLES } from "../../schema/claims.ts";
import { toIso } from "../../schema/time.ts";
import { bearerOf } from "../auth/bearer.ts";
import type { App } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { findWithProfile } from "../users.ts";

const userSchema = z
  .object({
    id: z.int(),
    username: z.string(),
    email: z.string().nullable(),
    email_verified: z.boolean(),
    role: z.enum(ROLES),
    two_factor_enabled: z.boolean(),
    created_at: z.iso.datetime(),
    last_login: z.iso.datetime().nullable(),
    profile: z.object({
      first_name: z.string(),
      last_name: z.string(),
      avatar_url: z.string().nullable(),
      timezone: z.string().nullable(),
      language: z.string().nullable(),
    }),
  })
  .openapi("User");

const route = defineRoute(
  {
    access: "bearer",
    tier: "leased",
    limits: [],
    cost: "1 D1 query, 1 signature checked, 1 UserAuthority call (1 row written) in 5 s or in a fifth of the user's limit",
  },
  {
    method: "get",
    path: "/api/accounts/user",
    summary: "Read one's own account",
    security: [{ bearer: [] }],
    responses: {
      200: jsonAnswer("The account", z.object({ user: userSchema })),
      ...problemAnswers(401, 429, 503),
    },
  },
);

export function mountUser(app: App): void {
  serve(app, route, async (c) => {
    const row = await findWithProfile(c.env.DB, bearerOf(c).user_id);
    if (row === null || row.is_active !== 1) throw new Refusal("access_token_revoked");
    const { id, username, email, role, avatar_url, timezone, language } = row;
    const user: z.infer<typeof userSchema> = {
      id,
      username,
      email,
      email_verified: row.email_verified === 1,
      role,
      two_factor_enabled: false,
      created_at: toIso(row.created_at),
      last_login: row.last_login === null ? null : toIso(row.last_login),
      profile: {
        first_name: row.first_name ?? "",
        last_name: row.last_name ?? "",
        avatar_url,
        timezone,
        language,
      },
    };
    return c.json({ user }, 200);
  });
}
