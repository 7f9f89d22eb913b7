/**
 * The one gate of every path that checks a password or a code (architecture, "Charge first"):
 * reserve, check, settle. What is refused is not even hashed. And the one place that tells the
 * trail of what was wrong, and why, which no answer says.
 */
import { base64url } from "jose";
import { asUserId, type UserId } from "../schema/ids.ts";
import type { Attempt, SettleAttempt, Track } from "../schema/lockout.ts";
import { parsePasswordHash } from "../schema/password-hash.ts";
import { accountKey, requireMayGuess, tellFailedGuess, typedKey } from "./abuse.ts";
import { tell } from "./audit.ts";
import { nameAuthority, reach, userAuthority } from "./authorities.ts";
import { type AppContext, serviceOf } from "./context.ts";
import { newTokenId } from "./entropy.ts";
import { Refusal } from "./http/problems.ts";
import { keyedHash } from "./tokens/refresh-key.ts";

export type { Attempt };
/** Why a guess was wrong, for the trail alone. */
export type WrongGuess = "unknown_name" | "inactive" | ReturnType<typeof wrongPassword> | "wrong_code";

/**
 * Lets `check` look at a guess at the account of `userId`, or at a name that nobody has. `check`
 * says what is wrong with it; then the answer is null. Locked: 429 `account_locked`, alike for names that exist and
 * names that do not. A wrong guess is settled after the answer; a right one by whoever uses the
 * attempt (opening a session), so that only a whole success clears the count (LCK-07). An attempt
 * whose `check` throws was neither: it is given back and clears nothing. A stranger's address is
 * asked for first and told afterwards: blocked, 403 `address_blocked`.
 */
export async function guess<Found extends object>(
  c: AppContext,
  target: {
    userId: number | null;
    typed: string;
    track: Track;
    /** The password was right before: a wrong guess is then told (`mfa_failed`). */
    isSecondStep?: boolean;
  },
  check: (attempt: Attempt) => Promise<Found | WrongGuess>,
): Promise<Found | null> {
  const { client, requestId } = c.get("facts");
  const id = target.userId === null ? null : asUserId(target.userId);
  const name = id === null ? await nameKey(c, target.typed) : "";
  const object = id === null ? nameAuthority(c.env, name) : userAuthority(c.env, id);
  // A client that the account knows guesses at its own account, and is counted there.
  const account = target.track === "strangers" ? await accountKey(c, target.userId, target.typed) : null;
  if (account !== null) await requireMayGuess(c, account);
  const ticket = newTokenId();
  const about = { userId: target.userId, client, requestId };
  const asked = { ticket, track: target.track, ...about };
  const answer = await reach("user_authority", () => object.reserveAttempt(asked));
  if (answer.kind === "locked") {
    tellFailure(c, id, name, "locked");
    throw new Refusal("account_locked", { retryAfterSeconds: answer.retryAfterSeconds });
  }
  const { track, at, epoch } = answer;
  const attempt = { ticket, track, at, epoch };
  const command = { ticket, track, ...about };
  const settle = (outcome: SettleAttempt["outcome"]): void => {
    const settled = reach("user_authority", () => object.settleAttempt({ ...command, outcome }));
    c.executionCtx.waitUntil(settled.catch(() => undefined)); // unsettled, it counts as a failure
  };
  try {
    const found = await check(attempt);
    if (typeof found === "string") {
      tellFailure(c, id, name, found);
      settle(target.isSecondStep ? "wrong_code" : "failure");
      if (account !== null) await tellFailedGuess(c, account);
      return null;
    }
    const guess = c.get("guess");
    if (guess !== null) guess.proven = account;
    return found;
  } catch (error) {
    settle("not_tried"); // an outage of ours is no wrong guess, and half of what is needed no success
    throw error;
  }
}

/** What was wrong with a password: whose hash cannot be computed here types in vain, and needs a reset. */
export function wrongPassword(hash: string): "wrong_password" | "unverifiable_hash" {
  return parsePasswordHash(hash).algorithm === "unsupported" ? "unverifiable_hash" : "wrong_password";
}

/** A name that nobody has may be a password in the wrong field: only a keyed hash of it is told. */
function tellFailure(
  c: AppContext,
  userId: UserId | null,
  name: string,
  reason: WrongGuess | "locked",
): void {
  const bearer = c.get("bearer");
  const type = bearer === null ? "login_failed" : "reauthentication_failed";
  const details = userId === null ? { name_hash: name } : {};
  tell(c, { type, userId, sid: bearer?.sid ?? null, reason, details });
}

/** What stands for a name that nobody has, in the objects and in the audit trail: a keyed hash, base64url. */
async function nameKey(c: AppContext, typed: string): Promise<string> {
  return base64url.encode(await keyedHash(serviceOf(c).config, "name", typedKey(c, typed)));
}
