/** `POST /api/accounts/password/change`: by the current password, through the gate of every guess (PWD-05, LCK-06). */
import { z } from "@hono/zod-openapi";
import { userState } from "../../schema/users.ts";
import { changeAccount } from "../account-changes.ts";
import { bearerOf } from "../auth/bearer.ts";
import { staysKnown } from "../auth/device.ts";
import { bearerFrom } from "../auth/tiers.ts";
import type { App } from "../context.ts";
import { randomBytes } from "../entropy.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { requireAcceptable } from "../new-password.ts";
import { hashPassword } from "../passwords/registry.ts";
import { provePassword } from "../prove-password.ts";
import { receiptOf, receiptSchema } from "../receipt.ts";
import { changePassword, findUser } from "../users.ts";

const route = defineRoute(
  {
    access: "confirmed",
    tier: "confirmed",
    limits: ["auth"],
    guesses: true,
    cost: "2 D1 queries (2 rows written), 5 UserAuthority calls (10 rows written, 2 a session, 2 alarms), 2 hashes, 1 signature checked, 1 signature",
    missing: "Current and new password are required",
  },
  {
    method: "post",
    path: "/api/accounts/password/change",
    summary: "Change one's password",
    security: [{ bearer: [] }],
    request: jsonBody(z.object({ current_password: z.string().min(1), new_password: z.string().min(1) })),
    responses: {
      200: jsonAnswer(
        "Changed; every other session has ended",
        z.object({ message: z.string(), ...receiptSchema.shape, device_token: z.string().optional() }),
      ),
      ...problemAnswers(400, 401, 403, 413, 415, 429, 503),
    },
  },
);

export function mountPasswordChange(app: App): void {
  serve(app, route, async (c) => {
    const { current_password, new_password } = c.req.valid("json");
    const claims = bearerOf(c);
    const user = await findUser(c.env.DB, claims.user_id);
    if (user === null) throw new Refusal("access_token_revoked");
    // Before the gate: a weak password is no guess.
    await requireAcceptable(c, new_password, user);
    await provePassword(c, user, current_password);
    const passwordHash = await hashPassword(new_password, randomBytes);
    const changed = await changeAccount(c, user, {
      type: "password_changed",
      sessions: "end_others",
      by: await bearerFrom(claims, c.env, c.executionCtx),
      unlocks: false,
      notice: "password_changed",
      make: () => changePassword(c.env.DB, user, passwordHash),
    });
    if (changed === null) throw new Outage("database", "the user changed meanwhile; the next try sees how");
    const message = "Password changed successfully";
    const known = await staysKnown(c, userState(changed.user));
    return c.json({ message, ...receiptOf(changed.answer), ...known }, 200);
  });
}
