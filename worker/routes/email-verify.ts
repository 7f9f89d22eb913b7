/** `POST /api/accounts/email/verify`: a mailed token proves an address, the account's own or its new one. */
import { z } from "@hono/zod-openapi";
import { changeAccount } from "../account-changes.ts";
import { tell } from "../audit.ts";
import type { App, AppContext } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import {
  type FoundToken,
  isEmailTaken,
  requireToken,
  useForNewEmail,
  useForVerification,
} from "../mailed-tokens.ts";

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: ["auth"],
    cost: "2 D1 queries (2 rows written); a new address: 1 more, and 2 UserAuthority calls (6 rows written, 2 alarms)",
    missing: "Token is required",
  },
  {
    method: "post",
    path: "/api/accounts/email/verify",
    summary: "Confirm an address by a mailed token",
    request: jsonBody(z.object({ token: z.string().min(1) })),
    responses: {
      200: jsonAnswer("The address is the account's, and verified", z.object({ message: z.string() })),
      ...problemAnswers(400, 413, 415, 429, 503),
    },
  },
);

export function mountEmailVerify(app: App): void {
  serve(app, route, async (c) => {
    const { now } = c.get("facts");
    const { token } = c.req.valid("json");
    const found = await requireToken(c, token, ["email_verify", "email_change"], "invalid_email_token");
    if (found.purpose === "email_change") {
      await changeEmail(c, found);
      return c.json({ message: "Email changed successfully" }, 200);
    }
    const verified = await useForVerification(c.env.DB, found, now);
    if (verified === null) throw new Refusal("invalid_email_token");
    tell(c, { type: "email_verified", userId: verified.id });
    return c.json({ message: "Email verified successfully" }, 200);
  });
}

/** Whoever holds the mailbox may be told that the address has become somebody else's meanwhile. */
async function changeEmail(c: AppContext, found: FoundToken): Promise<void> {
  const { DB } = c.env;
  const { user, email } = found;
  const isTaken = () => isEmailTaken(DB, email, user);
  if (await isTaken()) throw new Refusal("user_exists");
  const changed = await changeAccount(c, user, {
    type: "email_changed",
    sessions: "keep",
    by: null,
    unlocks: false,
    notice: "email_changed",
    make: () => useForNewEmail(DB, found, c.get("facts").now),
  });
  if (changed === null) throw new Refusal((await isTaken()) ? "user_exists" : "invalid_email_token");
}
