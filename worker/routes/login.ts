/**
 * `POST /api/accounts/login`: by user name or e-mail. Every way to be wrong gives one answer and
 * costs one hash (ENU-01, HASH-08).
 */
import { z } from "@hono/zod-openapi";
import { canBeLogin, loginKey } from "../../schema/identity.ts";
import { AMR_PASSWORD } from "../../schema/mfa.ts";
import { type UserRow, userState } from "../../schema/users.ts";
import { tell } from "../audit.ts";
import { deviceOf, type KnownDevice, trackOf } from "../auth/device.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { randomBytes } from "../entropy.ts";
import { type Attempt, guess, wrongPassword } from "../guess.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { answerLogin, deviceName } from "../login.ts";
import { decoyWork, hashPassword, type PasswordVerdict, verifyPassword } from "../passwords/registry.ts";
import { openSession } from "../sessions.ts";
import { signMfaToken, type Wishes } from "../tokens/mfa-token.ts";
import { keyedHash } from "../tokens/refresh-key.ts";
import { tokenAnswerSchema, transport } from "../tokens/token-answer.ts";
import { findForLogin, type LoginCandidates, replaceHash } from "../users.ts";

const body = z.object({
  username: z.string().min(1),
  password: z.string().min(1),
  remember_me: z.boolean().optional(),
  transport,
  device_name: deviceName,
});

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: ["auth"],
    guesses: true,
    cost: "1 D1 query, 1 D1 row written after the answer, 2 UserAuthority calls (3 rows written), 1 hash, 3 signatures; with a second factor: 2 calls (2 rows written), 1 hash, 1 signature; wrong: 2 calls (2 rows written), 1 hash; locked: 1 call, no hash",
    missing: "Username and password are required",
  },
  {
    method: "post",
    path: "/api/accounts/login",
    summary: "Sign in by user name or e-mail",
    request: jsonBody(body),
    responses: {
      200: jsonAnswer("The new session", tokenAnswerSchema),
      ...problemAnswers(400, 401, 413, 415, 429, 503),
    },
  },
);

export function mountLogin(app: App): void {
  serve(app, route, async (c) => {
    const { username, password, device_name, transport: by } = c.req.valid("json");
    const device = await deviceOf(c);
    const wishes: Wishes = { transport: by ?? "bearer", deviceName: device_name ?? null };
    const proven = await authenticate(c, username, password, device, wishes);
    if (proven === null) throw new Refusal("invalid_credentials");
    const { user, attempt } = proven;
    const { deviceName } = wishes;
    const opened = await openSession(c, user, { amr: AMR_PASSWORD, deviceName, attempt, code: null });
    if (opened.kind === "denied") {
      // Deactivated while the password was being hashed, or changed: the next try sees which.
      if (opened.reason === "inactive") throw new Refusal("invalid_credentials");
      throw new Outage("user_authority", opened.reason);
    }
    return answerLogin(c, opened.grant, device, by);
  });
}

const WEAK: readonly string[] = ["md5", "sha1"];

type Proven = { user: UserRow; attempt: Attempt };

/**
 * The user that name and password prove, or null for every way to be wrong: one gate, one hash.
 * With a second factor the right password is no success yet: its attempt is given back, so that a
 * second step that never comes locks nobody out, and clears nothing, so that whoever knows the
 * password cannot refund wrong codes. Then it throws `mfa_required`.
 */
async function authenticate(
  c: AppContext,
  typed: string,
  password: string,
  device: KnownDevice | null,
  wishes: Wishes,
): Promise<Proven | null> {
  const { user, decoyHash, isTrimmed } = await findTyped(c, typed);
  const userId = user?.id ?? null;
  const target = { userId, typed, track: trackOf(device, user) };
  return guess(c, target, async (attempt) => {
    if (user === null) {
      // Some other user's hash, always the same one for this name, decides what this must cost.
      await (decoyHash === null ? decoyWork(password) : verifyTyped(c, password, decoyHash));
      return "unknown_name";
    }
    const verdict = await verifyTyped(c, password, user.password_hash);
    const isPadded = isTrimmed || verdict.isTrimmed;
    const matches = verdict.matches && (!isPadded || verdict.needsRehash); // by a hash of ours, exactly
    if (!matches) return wrongPassword(user.password_hash);
    if (user.is_active !== 1) return "inactive";
    // HASH-06: what is weak is renewed in any case, of what it was made of.
    if (verdict.needsRehash && (!isPadded || WEAK.includes(verdict.work)))
      await upgradeHash(c, user, verdict.isTrimmed ? password.trim() : password);
    if (user.has_second_factor === 1) {
      tell(c, { type: "second_factor_asked", userId });
      const mfaToken = await signMfaToken(serviceOf(c), userState(user), wishes, c.get("facts").now);
      throw new Refusal("mfa_required", { mfaToken });
    }
    return { user, attempt };
  });
}

/** The user that was typed; for clients of an API that trimmed it, else the one within the spaces. */
async function findTyped(c: AppContext, typed: string): Promise<LoginCandidates & { isTrimmed: boolean }> {
  const find = async (name: string): Promise<LoginCandidates> =>
    canBeLogin(name)
      ? findForLogin(c.env.DB, name, await decoyPosition(c, name))
      : { user: null, decoyHash: null };
  const found = await find(typed);
  const isTrimmed = found.user === null && isPaddedFor(c, typed);
  return isTrimmed ? { ...(await find(typed.trim())), isTrimmed } : { ...found, isTrimmed };
}

/** Padded, a password costs a second hash, whether the user exists or not. */
async function verifyTyped(
  c: AppContext,
  password: string,
  hash: string,
): Promise<PasswordVerdict & { isTrimmed: boolean }> {
  const verdict = await verifyPassword(password, hash);
  const isTrimmed = !verdict.matches && isPaddedFor(c, password);
  return isTrimmed
    ? { ...(await verifyPassword(password.trim(), hash)), isTrimmed }
    : { ...verdict, isTrimmed };
}

/** Contract §9: the old API trimmed both fields, so that an imported hash may be of what is within. */
function isPaddedFor(c: AppContext, typed: string): boolean {
  return serviceOf(c).config.compatSimplejwt && typed !== typed.trim();
}

/** Replaces an older hash by today's, now that the password is at hand. */
async function upgradeHash(c: AppContext, user: UserRow, password: string): Promise<void> {
  const renewed = await hashPassword(password, randomBytes);
  await replaceHash(c.env.DB, userState(user).id, user.password_hash, renewed);
}

/** A number in [0, 1) that a name always gets, however it is spelt, and nobody else can foresee. */
async function decoyPosition(c: AppContext, typed: string): Promise<number> {
  const hash = await keyedHash(serviceOf(c).config, "decoy", loginKey(typed));
  return new DataView(hash.buffer).getUint32(0) / 2 ** 32;
}
