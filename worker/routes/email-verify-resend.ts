/** `POST /api/accounts/email/verify/resend`: the link once more, while the address is not verified. */
import { z } from "@hono/zod-openapi";
import { userState } from "../../schema/users.ts";
import { bearerOf } from "../auth/bearer.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { findUser } from "../users.ts";

const route = defineRoute(
  {
    access: "bearer",
    tier: "leased",
    limits: [],
    cost: "1 D1 query, 1 UserAuthority call (3 rows written, 1 alarm), 1 signature checked",
  },
  {
    method: "post",
    path: "/api/accounts/email/verify/resend",
    summary: "Send the link that confirms one's address once more",
    security: [{ bearer: [] }],
    responses: {
      200: jsonAnswer("On its way, or not needed", z.object({ message: z.string() })),
      ...problemAnswers(400, 401, 403, 429, 503),
    },
  },
);

export function mountEmailVerifyResend(app: App): void {
  serve(app, route, async (c) => {
    const row = await findUser(c.env.DB, bearerOf(c).user_id);
    if (row === null || row.is_active !== 1) throw new Refusal("access_token_revoked");
    if (row.email === null) throw new Refusal("no_email");
    if (row.email_verified === 1) return c.json({ message: "Email is already verified" }, 200);
    const { id: userId } = userState(row);
    const order = { id: newTokenId(), mail: { kind: "email_verify" as const, userId } };
    const answer = await reach("user_authority", () => userAuthority(c.env, userId).orderMail(order));
    if (answer.kind === "limited") {
      throw new Refusal("rate_limited", { retryAfterSeconds: answer.retryAfterSeconds });
    }
    return c.json({ message: "A verification link is on its way" }, 200);
  });
}
