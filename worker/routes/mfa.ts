/** `/api/accounts/mfa/totp`: a second factor is enrolled, activated by its first code, and taken off again. */
import { z } from "@hono/zod-openapi";
import type { AuditEvent } from "../../schema/audit-events.ts";
import { log } from "../../schema/log.ts";
import type { CodeUse } from "../../schema/mfa.ts";
import { toIso } from "../../schema/time.ts";
import type { UserRow } from "../../schema/users.ts";
import { recordEvents } from "../audit.ts";
import { bearerOf } from "../auth/bearer.ts";
import { deviceOf, trackOf } from "../auth/device.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { seal, unseal } from "../encryption.ts";
import { newTokenId } from "../entropy.ts";
import { type Attempt, guess } from "../guess.ts";
import { tellUserAuthority } from "../hear-of-user.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { contextOf, proveCode } from "../mfa/codes.ts";
import {
  activateEnrolment,
  findEnrolment,
  putPending,
  removeEnrolment,
  useRecoveryCode,
} from "../mfa/enrolments.ts";
import { newRecoveryCodes, recoveryDigest } from "../mfa/recovery-codes.ts";
import { newTotpSecret, shownSecret, stepOfCode } from "../mfa/totp.ts";
import { verifyPassword } from "../passwords/registry.ts";
import { findWithProfile } from "../users.ts";

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
    cost: "1 D1 query and 1 transaction (2 rows written), 4 UserAuthority calls (4 rows written), 1 signature checked",
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
    cost: "2 D1 queries and 1 transaction (2 rows written), 4 UserAuthority calls (4 rows written), 1 hash, 1 signature checked",
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
    if (!(await putPending(c.env.DB, { userId, enrolment, ...sealed }, c.var.facts.now))) {
      throw new Refusal("mfa_already_enabled");
    }
    return c.json(shownSecret(bytes, { issuer: new URL(service.issuer).host, account: username }), 200);
  });

  serve(app, activate, async (c) => {
    const { user_id: userId } = bearerOf(c);
    const { now } = c.var.facts;
    const pending = await findEnrolment(c.env.DB, userId);
    if (pending?.isActive) throw new Refusal("mfa_already_enabled");
    if (pending === null) throw new Refusal("mfa_not_pending");
    const { enrolment } = pending;
    const secret = await unseal(serviceOf(c).config, pending, contextOf(pending));
    const accepted = await guess(c, await targetOf(c), async (attempt) => {
      const step = stepOfCode(secret, c.req.valid("json").code, now);
      if (step === null) return null;
      // Whoever enrolled knows the secret: a right code proves nothing that could clear a count.
      await spend(c, { enrolment, step, pass: null }, attempt, "not_tried");
      return true;
    });
    if (accepted === null) throw new Refusal("wrong_code");
    const codes = newRecoveryCodes();
    const digests = (await Promise.all(codes.map(recoveryDigest))).filter((digest) => digest !== null);
    const row = await activateEnrolment(c.env.DB, pending, digests, now);
    if (row === null) throw new Refusal("mfa_not_pending"); // replaced or activated meanwhile
    await announce(c, row, { id: `${enrolment}.mfa_enabled`, type: "mfa_enabled", details: {} });
    return c.json({ recovery_codes: codes }, 200);
  });

  serve(app, disable, async (c) => {
    const { user_id: userId } = bearerOf(c);
    const { password, code } = c.req.valid("json");
    const [user, active] = await Promise.all([
      findWithProfile(c.env.DB, userId),
      findEnrolment(c.env.DB, userId),
    ]);
    if (user === null) throw new Refusal("access_token_revoked");
    if (active === null || !active.isActive) throw new Refusal("mfa_not_enabled");
    // One attempt and one answer for both: neither tells whether the other was right.
    const proven = await guess(c, await targetOf(c), async (attempt) => {
      const { matches } = await verifyPassword(password, user.password_hash);
      const found = await proveCode(c, active, code);
      if (!matches || found === null) return null;
      const { enrolment } = active;
      if (found.kind === "recovery" && !(await useRecoveryCode(c.env.DB, active, found.digest))) {
        throw new Refusal("invalid_credentials"); // used meanwhile: no guess
      }
      const step = found.kind === "totp" ? found.step : null;
      await spend(c, { enrolment, step, pass: null }, attempt, "success");
      return found;
    });
    if (proven === null) throw new Refusal("invalid_credentials");
    const row = await removeEnrolment(c.env.DB, active);
    if (row === null) throw new Refusal("mfa_not_enabled"); // by another request meanwhile
    const details = { by: proven.kind };
    await announce(c, row, { id: `${active.enrolment}.mfa_disabled`, type: "mfa_disabled", details });
    return c.body(null, 204);
  });
}

async function targetOf(c: AppContext) {
  const { user_id: userId, username } = bearerOf(c);
  return { userId, typed: username, track: trackOf(await deviceOf(c), userId) };
}

/** Uses a code up in the user's object, with its attempt. Throws the refusal of one that was used before. */
async function spend(
  c: AppContext,
  use: CodeUse,
  attempt: Attempt,
  outcome: "success" | "not_tried",
): Promise<void> {
  const { user_id: userId } = bearerOf(c);
  const { client, requestId } = c.var.facts;
  const command = { use, attempt: { ...attempt, outcome, userId, client, requestId } };
  const answer = await reach("user_authority", () => userAuthority(c.env, userId).spendCode(command));
  if (answer.kind === "spent")
    throw new Refusal(outcome === "success" ? "invalid_credentials" : "wrong_code");
}

/**
 * Tells the user's object and the audit trail of what D1 has already done. The answer must not be
 * lost for an outage here, since it may hold recovery codes: the next login brings the object the
 * news, and the log has a line.
 */
async function announce(
  c: AppContext,
  row: UserRow,
  event: Pick<AuditEvent, "id" | "type" | "details">,
): Promise<void> {
  const { now, requestId, client } = c.var.facts;
  const { sid } = bearerOf(c);
  const told: AuditEvent = {
    ...event,
    at: now,
    userId: row.id,
    actor: `user:${row.id}`,
    sid,
    reason: null,
    requestId,
    client,
  };
  const news = { sessions: "keep" as const, by: null, reason: "ended_by_owner" as const, note: null };
  const outcomes = await Promise.allSettled([tellUserAuthority(c, row, news), recordEvents(c.env, [told])]);
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    log(toIso(now), {
      level: "error",
      event: "mfa_change_untold",
      request_id: requestId,
      reason: event.type,
    });
  }
}
