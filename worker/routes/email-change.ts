/**
 * `POST /api/accounts/email/change`: asks for another address. The link goes to the new one, a notice
 * to the old one, and nothing changes before the link is used. Whether the new address belongs to
 * somebody else is not told here: then no link is sent (ENU-04).
 */
import { z } from "@hono/zod-openapi";
import { isEmail } from "../../schema/identity.ts";
import type { MailOrder } from "../../schema/mail.ts";
import { userState } from "../../schema/users.ts";
import { bearerOf } from "../auth/bearer.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { provePassword } from "../prove-password.ts";
import { findUser } from "../users.ts";

const route = defineRoute(
  {
    access: "confirmed",
    tier: "confirmed",
    limits: ["auth"],
    guesses: true,
    cost: "1 D1 query, 5 UserAuthority calls (8 rows written, 1 alarm), 1 hash, 1 signature checked",
    missing: "Email and password are required",
  },
  {
    method: "post",
    path: "/api/accounts/email/change",
    summary: "Ask for another email address",
    security: [{ bearer: [] }],
    request: jsonBody(
      z.object({
        email: z.string().min(1).refine(isEmail, "must be an e-mail address of at most 254 characters"),
        password: z.string().min(1),
      }),
    ),
    responses: {
      200: jsonAnswer("A link is on its way to the new address", z.object({ message: z.string() })),
      ...problemAnswers(400, 401, 403, 413, 415, 429, 503),
    },
  },
);

export function mountEmailChange(app: App): void {
  serve(app, route, async (c) => {
    const { email, password } = c.req.valid("json");
    const row = await findUser(c.env.DB, bearerOf(c).user_id);
    if (row === null) throw new Refusal("access_token_revoked");
    await provePassword(c, row, password);
    const { id: userId } = userState(row);
    const object = userAuthority(c.env, userId);
    const order = (mail: MailOrder["mail"]) =>
      reach("user_authority", () => object.orderMail({ id: newTokenId(), mail }));
    const answer = await order({ kind: "email_change", userId, to: email });
    if (answer.kind === "limited") {
      throw new Refusal("rate_limited", { retryAfterSeconds: answer.retryAfterSeconds });
    }
    if (row.email !== null) {
      await order({ kind: "email_change_asked", userId, to: row.email, at: c.get("facts").now });
    }
    return c.json({ message: "A confirmation link is on its way to the new address" }, 200);
  });
}
