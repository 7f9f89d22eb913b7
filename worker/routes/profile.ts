/**
 * `PATCH /api/accounts/user`: what the account says of itself. A member that is not sent stays as
 * it is, null clears one, and no other member reaches a column (ADM-02).
 */
import { z } from "@hono/zod-openapi";
import {
  AVATAR_URL_LENGTH_MAX,
  asLanguage,
  asTimezone,
  isAvatarUrl,
  isPersonName,
  NAME_LENGTH_MAX,
} from "../../schema/profile.ts";
import { accountSchema, accountView } from "../account-view.ts";
import { userIdOf } from "../auth/bearer.ts";
import type { App } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { changeProfile } from "../profiles.ts";
import { findWithProfile } from "../users.ts";

/** Names are never absent: cleared, they are empty, as in Django. */
const name = z
  .string()
  .refine(isPersonName, `must be at most ${NAME_LENGTH_MAX} characters, without control characters`)
  .nullable()
  .transform((text) => text ?? "")
  .optional();

/** Text in one spelling, or the reason why it has none. */
const spelled = (asSpelled: (text: string) => string | null, problem: string) =>
  z
    .string()
    .transform((text, context) => {
      const spelling = asSpelled(text);
      if (spelling === null) context.addIssue(problem);
      return spelling ?? z.NEVER;
    })
    .nullish();

const body = z.object({
  first_name: name,
  last_name: name,
  avatar_url: z
    .string()
    .refine(
      isAvatarUrl,
      `must be an https URL of at most ${AVATAR_URL_LENGTH_MAX} characters, without credentials`,
    )
    .nullish(),
  timezone: spelled(asTimezone, "must be the name of an IANA time zone, like Europe/Berlin"),
  language: spelled(asLanguage, "must be a BCP 47 language tag, like pt-BR"),
});

const route = defineRoute(
  {
    access: "bearer",
    tier: "leased",
    limits: [],
    permission: "profile:read profile:update", // it answers the whole account
    cost: "2 D1 queries (1 row written), 1 signature checked, 1 UserAuthority call (1 row written) in 5 s or in half of the user's limit",
  },
  {
    method: "patch",
    path: "/api/accounts/user",
    summary: "Change one's profile",
    security: [{ bearer: [] }],
    request: jsonBody(body),
    responses: {
      200: jsonAnswer("The account as it is now", z.object({ user: accountSchema })),
      ...problemAnswers(400, 401, 403, 413, 415, 429, 503),
    },
  },
);

export function mountProfile(app: App): void {
  serve(app, route, async (c) => {
    const user_id = userIdOf(c);
    await changeProfile(c.env.DB, user_id, c.req.valid("json"), c.get("facts").now);
    const row = await findWithProfile(c.env.DB, user_id);
    if (row === null || row.is_active !== 1) throw new Refusal("access_token_revoked");
    return c.json({ user: accountView(row) }, 200);
  });
}
