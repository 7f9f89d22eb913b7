/** `/api/accounts/mfa/totp`: a second factor is enrolled, activated by its first code, and taken off again. */
import { z } from "@hono/zod-openapi";
import { log } from "../../schema/log.ts";
import { toIso } from "../../schema/time.ts";
import type { UserRow } from "../../schema/users.ts";
import { changeAccount } from "../account-changes.ts";
import { bearerOf } from "../auth/bearer.ts";
import { deviceOf, trackOf } from "../auth/device.ts";
import { bearerFrom } from "../auth/tiers.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { seal } from "../encryption.ts";
import { newTokenId } from "../entropy.ts";
import { guess, wrongPassword } from "../guess.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { contextOf, proveCode, spendCode } from "../mfa/codes.ts";
import {
  activateEnrolment,
  type Enrolment,
  findEnrolment,
  putPending,
  removeEnrolment,
} from "../mfa/enrolments.ts";
import { newRecoveryCodes, recoveryDigest } from "../mfa/recovery-codes.ts";
import { newTotpSecret, shownSecret } from "../mfa/totp.ts";
import { verifyPassword } from "../passwords/registry.ts";
import { findUser } from "../users.ts";

const PATH = "/api/accounts/mfa/totp";
const confirmed = { access: "confirmed" as const, tier: "confirmed" as const };
const security = [{ bearer: [] }];

const enrol = defineRoute(
  {
    ...confirmed,
    limits: [],
    cost: "2 D1 queries (1 row written), 1 UserAuthority call, 1 signature checked",
  },
  {
    method: "post",
    path: PATH,
    summary: "Enrol a second factor, which is not asked for yet",
    security,
    responses: {
      200: jsonAnswer("The new secret", z.object({ secret: z.string(), otpauth_url: z.string() })),
      ...problemAnswers(401, 403, 409, 429, 503),
    },
  },
);

const activate = defineRoute(
  {
    ...confirmed,
    limits: ["auth"],
    guesses: true,
    cost: "2 D1 queries and 1 transaction (2 rows written), 5 UserAuthority calls (10 rows written, 2 alarms), 1 signature checked",
    missing: "Code is required",
  },
  {
    method: "post",
    path: `${PATH}/activate`,
    summary: "Activate the second factor by its first code",
    security,
    request: jsonBody(z.object({ code: z.string().min(1) })),
    responses: {
      200: jsonAnswer("Shown this once", z.object({ recovery_codes: z.array(z.string()) })),
      ...problemAnswers(400, 401, 403, 409, 413, 415, 429, 503),
    },
  },
);

const disable = defineRoute(
  {
    ...confirmed,
    limits: ["auth"],
    guesses: true,
    cost: "2 D1 queries and 1 transaction (2 rows written), 5 UserAuthority calls (10 rows written, 2 alarms), 1 hash, 1 signature checked",
    missing: "Password and code are required",
  },
  {
    method: "delete",
    path: PATH,
    summary: "Take the second factor off",
    security,
    request: jsonBody(z.object({ password: z.string().min(1), code: z.string().min(1) })),
    responses: {
      204: { description: "A login asks for the password alone" },
      ...problemAnswers(400, 401, 403, 409, 413, 415, 429, 503),
    },
  },
);

export function mountMfa(app: App): void {
  serve(app, enrol, async (c) => {
    const { user_id: userId, username } = bearerOf(c);
    const service = serviceOf(c);
    const enrolment = newTokenId();
    const bytes = newTotpSecret();
    const sealed = await seal(service.config, bytes, contextOf({ userId, enrolment }));
    if (!(await putPending(c.env.DB, { userId, enrolment, ...sealed }, c.get("facts").now))) {
      throw new Refusal("mfa_already_enabled");
    }
    return c.json(shownSecret(bytes, { issuer: new URL(service.issuer).host, account: username }), 200);
  });

  serve(app, activate, async (c) => {
    const { DB } = c.env;
    const { user_id: userId } = bearerOf(c);
    const [user, pending] = await Promise.all([findUser(DB, userId), findEnrolment(DB, userId)]);
    if (user === null) throw new Refusal("access_token_revoked");
    if (pending?.isActive) throw new Refusal("mfa_already_enabled");
    if (pending === null) throw new Refusal("mfa_not_pending");
    const accepted = await guess(c, await targetOf(c, user), async (attempt) => {
      const proven = await proveCode(c, pending, c.req.valid("json").code);
      if (proven === null) return "wrong_code";
      // Whoever enrolled knows the secret: a right code proves nothing that could clear a count.
      const isSpent = !(await spendCode(c, pending, proven, { ...attempt, outcome: "not_tried" }));
      if (isSpent) throw new Refusal("wrong_code"); // as a wrong one, and no guess
      return proven;
    });
    if (accepted === null) throw new Refusal("wrong_code");
    const codes = newRecoveryCodes();
    const digests = (await Promise.all(codes.map(recoveryDigest))).filter((digest) => digest !== null);
    const isMade = await change(c, user, "mfa_enabled", () =>
      activateEnrolment(DB, user, pending, digests, c.get("facts").now),
    );
    if (!isMade) throw await whyNot(c, pending, "mfa_not_pending");
    return c.json({ recovery_codes: codes }, 200);
  });

  serve(app, disable, async (c) => {
    const { DB } = c.env;
    const { user_id: userId } = bearerOf(c);
    const { password, code } = c.req.valid("json");
    const [user, active] = await Promise.all([findUser(DB, userId), findEnrolment(DB, userId)]);
    if (user === null) throw new Refusal("access_token_revoked");
    if (active === null || !active.isActive) throw new Refusal("mfa_not_enabled");
    // One attempt and one answer for both: neither tells whether the other was right.
    const proven = await guess(c, await targetOf(c, user), async (attempt) => {
      const { matches } = await verifyPassword(password, user.password_hash);
      const found = await proveCode(c, active, code);
      if (!matches) return wrongPassword(user.password_hash);
      if (found === null) return "wrong_code";
      const isSpent = !(await spendCode(c, active, found, { ...attempt, outcome: "success" }));
      if (isSpent) throw new Refusal("invalid_credentials"); // as a wrong one, and no guess
      return found;
    });
    if (proven === null) throw new Refusal("invalid_credentials");
    const isMade = await change(
      c,
      user,
      "mfa_disabled",
      () => removeEnrolment(DB, user, active),
      proven.kind,
    );
    if (!isMade) throw await whyNot(c, active, "mfa_not_enabled");
    return c.body(null, 204);
  });
}

async function targetOf(c: AppContext, user: UserRow) {
  return { userId: user.id, typed: user.username, track: trackOf(await deviceOf(c), user) };
}

/**
 * The change in D1 with what follows from it; false if D1 refused it. Once D1 has made it, an outage
 * does not keep the answer back, since recovery codes may be in it: the user's object looks by itself.
 */
async function change(
  c: AppContext,
  user: UserRow,
  type: "mfa_enabled" | "mfa_disabled",
  make: () => Promise<UserRow | null>,
  note?: string,
): Promise<boolean> {
  const by = await bearerFrom(bearerOf(c), c.env, c.executionCtx);
  let isMade = false;
  const noted = async () => {
    const row = await make();
    isMade = row !== null;
    return row;
  };
  const wish = { type, notice: type, sessions: "keep" as const, by, unlocks: false, make: noted };
  try {
    return (await changeAccount(c, user, note === undefined ? wish : { ...wish, note })) !== null;
  } catch (error) {
    if (!isMade) throw error;
    const { now, requestId } = c.get("facts");
    log(toIso(now), { level: "error", event: "mfa_change_untold", request_id: requestId, reason: type });
    return true;
  }
}

/** Why D1 refused: somebody was faster with this secret, or the user has changed in another way. */
async function whyNot(
  c: AppContext,
  was: Enrolment,
  code: "mfa_not_pending" | "mfa_not_enabled",
): Promise<Error> {
  const is = await findEnrolment(c.env.DB, was.userId);
  const isSame = is?.enrolment === was.enrolment && is.isActive === was.isActive;
  return isSame
    ? new Outage("database", "the user changed meanwhile; the next try sees how")
    : new Refusal(code);
}
