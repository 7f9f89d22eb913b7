/**
 * `POST /api/accounts/password/reset/confirm`: a new password by a mailed token. Ends every session,
 * unlocks, tells the owner, and does not sign in (RST-03).
 */
import { z } from "@hono/zod-openapi";
import { changeAccount } from "../account-changes.ts";
import type { App } from "../context.ts";
import { randomBytes } from "../entropy.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { requireToken, useForPassword } from "../mailed-tokens.ts";
import { requireAcceptable } from "../new-password.ts";
import { hashPassword } from "../passwords/registry.ts";
import { receiptOf, receiptSchema } from "../receipt.ts";

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: ["auth"],
    cost: "2 D1 queries (3 rows written), 2 UserAuthority calls (9 rows written, 2 alarms, however many sessions), 1 hash; a bad token: 1 D1 query, no hash",
    missing: "Token and new password are required",
  },
  {
    method: "post",
    path: "/api/accounts/password/reset/confirm",
    summary: "Set a new password by a mailed token",
    request: jsonBody(z.object({ token: z.string().min(1), new_password: z.string().min(1) })),
    responses: {
      200: jsonAnswer(
        "The password is set; every session has ended",
        receiptSchema.extend({ message: z.string() }),
      ),
      ...problemAnswers(400, 413, 415, 429, 503),
    },
  },
);

export function mountPasswordResetConfirm(app: App): void {
  serve(app, route, async (c) => {
    const { token, new_password } = c.req.valid("json");
    const { now } = c.get("facts");
    const { DB } = c.env;
    const found = await requireToken(c, token, ["password_reset"], "invalid_reset_token");
    await requireAcceptable(c, new_password, found.user);
    const passwordHash = await hashPassword(new_password, randomBytes);
    const changed = await changeAccount(c, found.user, {
      type: "password_reset",
      sessions: "end",
      by: null,
      unlocks: true,
      notice: "password_was_reset",
      make: () => useForPassword(DB, found, passwordHash, now),
    });
    if (changed === null) throw new Refusal("invalid_reset_token");
    return c.json({ message: "Password reset successful", ...receiptOf(changed.answer) }, 200);
  });
}
