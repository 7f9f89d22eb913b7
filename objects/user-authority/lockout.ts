/**
 * The lockout of one track (`schema/lockout.ts`). Pure. Charge first: an attempt counts from the
 * moment it is reserved, so that a hundred guesses at once are as many hashes as the threshold.
 */
import { assert } from "../../schema/assert.ts";
import type { TokenId } from "../../schema/ids.ts";
import type { ReserveAnswer, ReserveAttempt, SettleAttempt, Track } from "../../schema/lockout.ts";
import type { NumericDate } from "../../schema/time.ts";

/** Durations in seconds. */
export type LockoutPolicy = {
  lockoutThreshold: number;
  lockoutWindowSeconds: number;
  lockoutDurationSeconds: number;
  lockoutCeiling: number;
};

/** `seq` is the order of reservation, finer than any clock. */
type Failure = { at: NumericDate; seq: number };
/** Reserved and not settled; `asked`: whose, should nobody ever settle it (an older release kept none). */
type Pending = Failure & { ticket: TokenId; asked?: Pick<ReserveAttempt, "userId" | "client" | "requestId"> };

export type Lockout = {
  /** Attempts reserved since the state began. */
  seq: number;
  pending: Pending[];
  /** Within the window, since the last lock. */
  failures: Failure[];
  /** Since the last success, over however many locks. */
  consecutive: number;
  lockedUntil: NumericDate;
  lastFailureAt: NumericDate;
  /** How many locks came one after another: each lasts twice as long as the one before. */
  level: number;
  /** When the owner was last mailed a link past the ceiling. */
  remindedAt: NumericDate;
  /** Of a name that nobody has: no owner and no admin could ever free it, so time always does. */
  isNobodys?: true;
};

export const UNLOCKED: Lockout = {
  seq: 0,
  pending: [],
  failures: [],
  consecutive: 0,
  lockedUntil: 0,
  lastFailureAt: 0,
  level: 0,
  remindedAt: 0,
};

/** The dearest hash takes seconds; an attempt that is not settled by then was lost, and failed. */
const TICKET_SECONDS = 60;
/**
 * It counts as failed to whoever asks from then on. Where that would lock, the alarm comes at once;
 * else only a day later, so that not every login costs one.
 */
const LOST_TICKET_SECONDS = 86_400;
const LOCK_SECONDS_MAX = 86_400;
/** A day without a lock forgets that there were any. */
const LEVEL_DECAY_SECONDS = 86_400;
/** A link past the ceiling, at most so often. */
const REMINDER_SECONDS = 86_400;
/** A week without a failure forgets how many there were, unless an account's ceiling was reached. */
const CONSECUTIVE_KEPT_SECONDS = 604_800;

/** Whoever knew the password could have made himself any number of known clients, each with guesses of its own. */
const DEVICES_APART_MAX = 10;

/** What an attempt of this track is counted with, beside the tracks that have something to remember. */
export function trackOf(track: Track, known: readonly Track[]): Track {
  if (track === "strangers" || known.includes(track)) return track;
  return known.filter((one) => one !== "strangers").length < DEVICES_APART_MAX ? track : "strangers";
}

/**
 * The lockout as it stands now: what has passed is forgotten, what was never settled has failed.
 * `lockedBy`: the lost attempt that has locked it, which is told like any other lock.
 */
export function lockoutAt(
  lockout: Lockout,
  now: NumericDate,
  policy: LockoutPolicy,
): { lockout: Lockout; lockedBy: Pending | null } {
  const lost = lockout.pending.filter(({ at }) => at + TICKET_SECONDS <= now);
  let current: Lockout = { ...lockout, pending: lockout.pending.filter((one) => !lost.includes(one)) };
  let lockedBy: Pending | null = null;
  for (const attempt of lost) {
    const failed = withFailure(current, { at: attempt.at + TICKET_SECONDS, seq: attempt.seq }, policy);
    if (isNewlyLocked(current, failed, policy)) lockedBy = attempt;
    current = failed;
  }
  return { lockout: remembered(current, now, policy), lockedBy };
}

/** Decides an attempt before it is hashed. Refused, it changes nothing. */
export function decideReserve(
  lockout: Lockout,
  { ticket, ...asked }: { ticket: TokenId } & NonNullable<Pending["asked"]>,
  now: NumericDate,
  policy: LockoutPolicy,
): { answer: Exclude<ReserveAnswer, { kind: "reserved" }> | { kind: "reserved" }; lockout: Lockout } {
  const before: Lockout = asked.userId === null ? { ...lockout, isNobodys: true } : lockout;
  const { lockout: current } = lockoutAt(before, now, policy);
  const locked = (retryAfterSeconds: number, untilUnlocked = false) => ({
    answer: { kind: "locked" as const, retryAfterSeconds, untilUnlocked },
    lockout: current,
  });
  const { consecutive, failures, pending } = current;
  if (consecutive >= policy.lockoutCeiling) return locked(policy.lockoutDurationSeconds, true);
  if (current.lockedUntil > now) return locked(current.lockedUntil - now);
  // Attempts that are being hashed count as failures until they are told apart, or lost.
  if (mayLock(current, policy)) return locked(Math.max(1, freesAt(current, policy) - now));
  const seq = current.seq + 1;
  const reserved = { ...current, seq, pending: [...pending, { ticket, at: now, seq, asked }] };
  assert(
    failures.length + reserved.pending.length <= policy.lockoutThreshold,
    "no more attempts are hashed than the threshold",
  );
  assert(consecutive + reserved.pending.length <= policy.lockoutCeiling, "nor than the ceiling");
  return { answer: { kind: "reserved" }, lockout: reserved };
}

/**
 * Settles a reserved attempt. A success clears the failures of attempts that were reserved before
 * it, and only a whole one does (LCK-07): guesses that ran beside it stay counted.
 */
export function decideSettle(
  lockout: Lockout,
  { ticket, outcome }: Pick<SettleAttempt, "ticket" | "outcome">,
  now: NumericDate,
  policy: LockoutPolicy,
): { lockout: Lockout; hasFailed: boolean; hasLocked: boolean } {
  const { lockout: current } = lockoutAt(lockout, now, policy);
  const settled = current.pending.find((one) => one.ticket === ticket);
  if (settled === undefined) return { lockout: current, hasFailed: false, hasLocked: false };
  const rest = { ...current, pending: current.pending.filter((one) => one.ticket !== ticket) };
  switch (outcome) {
    case "not_tried":
      return { lockout: rest, hasFailed: false, hasLocked: false };
    case "success": {
      const failures = rest.failures.filter(({ seq }) => seq > settled.seq);
      const lockout = { ...rest, failures, consecutive: failures.length };
      return { lockout, hasFailed: false, hasLocked: false };
    }
    case "failure":
    case "wrong_code": {
      const failed = withFailure(rest, { at: now, seq: settled.seq }, policy);
      return { lockout: failed, hasFailed: true, hasLocked: isNewlyLocked(rest, failed, policy) };
    }
  }
}

/**
 * Past the ceiling, whether the owner must be mailed a link once more: the last one has run out, of
 * which a day is enough.
 */
export function isReminderDue(
  { remindedAt }: Lockout,
  now: NumericDate,
  { emailVerifyTtlSeconds }: { emailVerifyTtlSeconds: number },
): boolean {
  return remindedAt + Math.min(emailVerifyTtlSeconds, REMINDER_SECONDS) <= now;
}

/** When the object must look at this track; null for one that only the owner or an admin can free. */
export function lockoutLookAt(lockout: Lockout, policy: LockoutPolicy): NumericDate | null {
  const last = lockout.pending.at(-1);
  // It takes all of them to lock, and the last one is lost last.
  if (last !== undefined && mayLock(lockout, policy)) return last.at + TICKET_SECONDS;
  return lockoutKeptUntil(lockout, policy);
}

/** When this track can be forgotten; null for one that only the owner or an admin can free. */
export function lockoutKeptUntil(lockout: Lockout, policy: LockoutPolicy): NumericDate | null {
  if (isEndless(lockout, policy)) return null;
  const tickets = lockout.pending.map(({ at }) => at + LOST_TICKET_SECONDS);
  const counted = lockout.consecutive === 0 ? 0 : lockout.lastFailureAt + CONSECUTIVE_KEPT_SECONDS;
  return Math.max(lockout.lockedUntil, counted, ...tickets);
}

/** True if nothing of this track is worth keeping. */
export function isForgettable(lockout: Lockout, now: NumericDate, policy: LockoutPolicy): boolean {
  const until = lockoutKeptUntil(lockout, policy);
  return until !== null && until <= now;
}

/** True if what is open would lock, were it all to fail: then nothing more is hashed. */
function mayLock({ failures, consecutive, pending }: Lockout, policy: LockoutPolicy): boolean {
  return (
    failures.length + pending.length >= policy.lockoutThreshold ||
    consecutive + pending.length >= policy.lockoutCeiling
  );
}

/** When the first of what is open is told apart at the latest; without any, when the first failure counts no more. */
function freesAt({ failures, pending }: Lockout, policy: LockoutPolicy): NumericDate {
  const [open] = pending;
  return open === undefined ? (failures[0]?.at ?? 0) + policy.lockoutWindowSeconds : open.at + TICKET_SECONDS;
}

/** True if a lock began, or the ceiling was reached, by failures however far apart. */
function isNewlyLocked(before: Lockout, after: Lockout, { lockoutCeiling }: LockoutPolicy): boolean {
  const isAtCeiling = before.consecutive < lockoutCeiling && after.consecutive >= lockoutCeiling;
  return isAtCeiling || after.lockedUntil > before.lockedUntil;
}

/** True past an account's ceiling. */
function isEndless({ consecutive, isNobodys }: Lockout, { lockoutCeiling }: LockoutPolicy): boolean {
  return consecutive >= lockoutCeiling && isNobodys !== true;
}

/** Without what has passed. */
function remembered(lockout: Lockout, now: NumericDate, policy: LockoutPolicy): Lockout {
  const { failures, level, lockedUntil, consecutive, lastFailureAt } = lockout;
  const isForgiven = !isEndless(lockout, policy) && lastFailureAt + CONSECUTIVE_KEPT_SECONDS <= now;
  return {
    ...lockout,
    failures: failures.filter(({ at }) => at + policy.lockoutWindowSeconds > now),
    level: lockedUntil + LEVEL_DECAY_SECONDS <= now ? 0 : level,
    consecutive: isForgiven ? 0 : consecutive,
  };
}

function withFailure(lockout: Lockout, failure: Failure, policy: LockoutPolicy): Lockout {
  const { at } = failure;
  const before = remembered(lockout, at, policy);
  const failures = [...before.failures, failure];
  const failed = { ...before, failures, consecutive: before.consecutive + 1, lastFailureAt: at };
  if (failures.length < policy.lockoutThreshold) return failed;
  const seconds = Math.min(policy.lockoutDurationSeconds * 2 ** before.level, LOCK_SECONDS_MAX);
  return { ...failed, failures: [], lockedUntil: at + seconds, level: before.level + 1 };
}
