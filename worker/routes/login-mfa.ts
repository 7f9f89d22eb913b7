/**
 * `POST /api/accounts/login/mfa`: the second step of a login. A code is guarded by the same gate
 * as a password, and only here does the account's count of failures clear (LCK-06, LCK-07).
 */
import { z } from "@hono/zod-openapi";
import type { UserRow } from "../../schema/users.ts";
import { tellBadToken } from "../abuse.ts";
import { deviceOf, trackOf } from "../auth/device.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { revokedBefore } from "../era.ts";
import { type Attempt, guess } from "../guess.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { answerLogin, deviceName } from "../login.ts";
import { proveCode, useOf } from "../mfa/codes.ts";
import { type Enrolment, findEnrolment } from "../mfa/enrolments.ts";
import { openSession } from "../sessions.ts";
import { type MfaToken, verifyMfaToken } from "../tokens/mfa-token.ts";
import { tokenAnswerSchema, transport } from "../tokens/token-answer.ts";
import { findWithProfile } from "../users.ts";

const body = z.object({
  mfa_token: z.string().min(1),
  code: z.string().min(1),
  transport,
  device_name: deviceName,
});

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: ["auth"],
    guesses: true,
    cost: "2 D1 queries, 1 D1 row written after the answer, 2 UserAuthority calls (4 rows written; for a recovery code 4 more, 1 alarm and 1 D1 row), 1 signature checked, 3 signatures; wrong: 2 calls (3 rows written, 1 alarm)",
    missing: "MFA token and code are required",
  },
  {
    method: "post",
    path: "/api/accounts/login/mfa",
    summary: "Complete a login by a code of the second factor",
    request: jsonBody(body),
    responses: {
      200: jsonAnswer("The new session", tokenAnswerSchema),
      ...problemAnswers(400, 401, 413, 415, 429, 503),
    },
  },
);

export function mountLoginMfa(app: App): void {
  serve(app, route, async (c) => {
    const { mfa_token, code, device_name, transport: by } = c.req.valid("json");
    const token = await verifyMfaToken(serviceOf(c), mfa_token, c.get("facts").now);
    if (token === null) {
      await tellBadToken(c, mfa_token);
      throw new Refusal("invalid_mfa_token");
    }
    if (token.iat < (await revokedBefore(c.env, c.executionCtx))) throw new Refusal("invalid_mfa_token");
    const { userId, wishes } = token;
    const [user, enrolment] = await Promise.all([
      findWithProfile(c.env.DB, userId),
      findEnrolment(c.env.DB, userId),
    ]);
    // The password, the role or the second factor itself has changed since the first step.
    if (user === null || user.version !== token.version || user.is_active !== 1 || !enrolment?.isActive) {
      throw new Refusal("invalid_mfa_token");
    }
    const device = await deviceOf(c);
    const target = {
      userId,
      typed: user.username,
      track: trackOf(device, user),
      isSecondStep: true,
    };
    const name = device_name ?? wishes.deviceName;
    const grant = await guess(c, target, (attempt) =>
      open(c, { token, user, enrolment, code, name, attempt }),
    );
    if (grant === null) throw new Refusal("invalid_mfa_code");
    return answerLogin(c, grant, device, by ?? wishes.transport);
  });
}

/**
 * Opens the session that a right code is worth, or says that it is wrong. All of it inside the gate:
 * what is thrown here is no wrong guess, a code that was used before included, which nobody guesses.
 */
async function open(
  c: AppContext,
  step: {
    token: MfaToken;
    user: UserRow;
    enrolment: Enrolment;
    code: string;
    name: string | null;
    attempt: Attempt;
  },
) {
  const { token, user, enrolment, code, name, attempt } = step;
  const proven = await proveCode(c, enrolment, code);
  if (proven === null) return "wrong_code" as const;
  const { email } = user;
  const notice = { kind: "recovery_code_used" as const, userId: enrolment.userId, at: c.get("facts").now };
  const isTold = proven.kind === "recovery" && email !== null;
  const opened = await openSession(c, user, {
    amr: proven.amr,
    deviceName: name,
    attempt,
    code: useOf(enrolment, proven, { id: token.id, exp: token.exp }),
    ...(isTold ? { mail: { id: newTokenId(), mail: { ...notice, to: email } } } : {}),
  });
  if (opened.kind === "opened") return opened.grant;
  if (opened.reason === "spent") throw new Refusal("invalid_mfa_code");
  if (opened.reason === "inactive") throw new Refusal("invalid_mfa_token");
  throw new Outage("user_authority", opened.reason);
}
