/**
 * `DELETE /api/accounts/user`: the account's end, at its owner's word and password. Of many at once
 * one is answered 204; the others find their session ended.
 */
import { z } from "@hono/zod-openapi";
import { bearerOf } from "../auth/bearer.ts";
import { deviceOf, trackOf } from "../auth/device.ts";
import type { App } from "../context.ts";
import { closeAccount, eraseAccount } from "../deletion.ts";
import { guess, wrongPassword } from "../guess.ts";
import { clearTokenCookies } from "../http/cookies.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { proveCode, spendCode } from "../mfa/codes.ts";
import { findEnrolment } from "../mfa/enrolments.ts";
import { verifyPassword } from "../passwords/registry.ts";
import { noteDenial } from "../user-cache.ts";
import { findWithProfile } from "../users.ts";

const route = defineRoute(
  {
    access: "confirmed",
    tier: "confirmed",
    limits: ["auth"],
    guesses: true,
    cost: "3 D1 queries (a row for each of what the account has), 3 UserAuthority calls (4 rows written, one for each session, and 1 alarm), 1 hash, 1 signature checked",
    missing: "Password is required",
  },
  {
    method: "delete",
    path: "/api/accounts/user",
    summary: "Delete one's account; with a second factor, by a code as well",
    security: [{ bearer: [] }],
    request: jsonBody(z.object({ password: z.string().min(1), code: z.string().nullish() })),
    responses: {
      204: { description: "Every session has ended and personal data is erased" },
      ...problemAnswers(400, 401, 403, 409, 413, 415, 429, 503),
    },
  },
);

export function mountDeletion(app: App): void {
  serve(app, route, async (c) => {
    const { user_id } = bearerOf(c);
    const { now, client, requestId } = c.get("facts");
    const row = await findWithProfile(c.env.DB, user_id);
    if (row === null) throw new Refusal("access_token_revoked");
    const track = trackOf(await deviceOf(c), row);
    const { password, code } = c.req.valid("json");
    const factor = row.has_second_factor === 1 ? await findEnrolment(c.env.DB, user_id) : null;
    if (factor !== null && (code ?? "") === "")
      throw new Refusal("missing_fields", { detail: "Password and code are required" });
    // All of it inside the gate: what an outage interrupts is no wrong guess.
    const answer = await guess(c, { userId: user_id, typed: row.username, track }, async (attempt) => {
      const { matches } = await verifyPassword(password, row.password_hash);
      const found = factor === null ? null : await proveCode(c, factor, code ?? "");
      // One answer for both: neither tells whether the other was right.
      if (!matches) return wrongPassword(row.password_hash);
      if (factor !== null && found === null) return "wrong_code";
      if (factor !== null && found !== null) {
        const isSpent = !(await spendCode(c, factor, found, { ...attempt, outcome: "not_tried" }));
        if (isSpent) throw new Refusal("invalid_credentials"); // as a wrong one, and no guess
      }
      if (!(await closeAccount(c.env.DB, user_id, now))) throw new Refusal("last_admin");
      return eraseAccount(c.env, user_id, { client, requestId });
    });
    if (answer === null) throw new Refusal("invalid_credentials");
    noteDenial(user_id, answer.denial);
    if (answer.kind === "already") throw new Refusal("access_token_revoked");
    clearTokenCookies(c);
    return c.body(null, 204);
  });
}
