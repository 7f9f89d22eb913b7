/**
 * The lockout of one track (`schema/lockout.ts`). Pure. Charge first: an attempt counts from the
 * moment it is reserved, so that a hundred guesses at once are as many hashes as the threshold.
 */
import { assert } from "../../schema/assert.ts";
import type { TokenId } from "../../schema/ids.ts";
import type { ReserveAnswer, SettleAttempt, Track } from "../../schema/lockout.ts";
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

export type Lockout = {
  /** Attempts reserved since the state began. */
  seq: number;
  /** Reserved and not settled. */
  pending: (Failure & { ticket: TokenId })[];
  /** Within the window, since the last lock. */
  failures: Failure[];
  /** Since the last success, over however many locks. */
  consecutive: number;
  lockedUntil: NumericDate;
  lastFailureAt: NumericDate;
  /** How many locks came one after another: each lasts twice as long as the one before. */
  level: number;
};

export const UNLOCKED: Lockout = {
  seq: 0,
  pending: [],
  failures: [],
  consecutive: 0,
  lockedUntil: 0,
  lastFailureAt: 0,
  level: 0,
};

/** The dearest hash takes seconds; an attempt that is not settled by then was lost, and failed. */
const TICKET_SECONDS = 60;
/** It counts as failed to whoever asks from then on; the alarm, which costs a call, sees it a day later. */
const LOST_TICKET_SECONDS = 86_400;
const LOCK_SECONDS_MAX = 86_400;
/** A day without a lock forgets that there were any. */
const LEVEL_DECAY_SECONDS = 86_400;
/** A week without a failure forgets how many there were, unless the ceiling was reached. */
const CONSECUTIVE_KEPT_SECONDS = 604_800;

/** Whoever knew the password could have made himself any number of known clients, each with guesses of its own. */
const DEVICES_APART_MAX = 10;

/** What an attempt of this track is counted with, beside the tracks that have something to remember. */
export function trackOf(track: Track, known: readonly Track[]): Track {
  if (track === "strangers" || known.includes(track)) return track;
  return known.filter((one) => one !== "strangers").length < DEVICES_APART_MAX ? track : "strangers";
}

/** The lockout as it stands now: what has passed is forgotten, what was never settled has failed. */
export function lockoutAt(lockout: Lockout, now: NumericDate, policy: LockoutPolicy): Lockout {
  const lost = lockout.pending.filter(({ at }) => at + TICKET_SECONDS <= now);
  let current: Lockout = { ...lockout, pending: lockout.pending.filter((one) => !lost.includes(one)) };
  for (const { at, seq } of lost) current = withFailure(current, { at: at + TICKET_SECONDS, seq }, policy);
  return {
    ...current,
    failures: current.failures.filter(({ at }) => at + policy.lockoutWindowSeconds > now),
    level: current.lockedUntil + LEVEL_DECAY_SECONDS <= now ? 0 : current.level,
    consecutive:
      current.consecutive < policy.lockoutCeiling && current.lastFailureAt + CONSECUTIVE_KEPT_SECONDS <= now
        ? 0
        : current.consecutive,
  };
}

/** Decides an attempt before it is hashed. Refused, it changes nothing. */
export function decideReserve(
  lockout: Lockout,
  ticket: TokenId,
  now: NumericDate,
  policy: LockoutPolicy,
): { answer: Exclude<ReserveAnswer, { kind: "reserved" }> | { kind: "reserved" }; lockout: Lockout } {
  const current = lockoutAt(lockout, now, policy);
  const locked = (retryAfterSeconds: number, untilUnlocked = false) => ({
    answer: { kind: "locked" as const, retryAfterSeconds, untilUnlocked },
    lockout: current,
  });
  if (current.consecutive >= policy.lockoutCeiling) return locked(policy.lockoutDurationSeconds, true);
  if (current.lockedUntil > now) return locked(current.lockedUntil - now);
  // Attempts that are being hashed count as failures until they are told apart.
  const open = current.failures.length + current.pending.length;
  if (open >= policy.lockoutThreshold) return locked(1);
  const seq = current.seq + 1;
  const reserved = { ...current, seq, pending: [...current.pending, { ticket, at: now, seq }] };
  assert(
    reserved.failures.length + reserved.pending.length <= policy.lockoutThreshold,
    "no more attempts are hashed than the threshold",
  );
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
  const current = lockoutAt(lockout, now, policy);
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
      return { lockout: failed, hasFailed: true, hasLocked: failed.lockedUntil > rest.lockedUntil };
    }
  }
}

/** When this track can be forgotten; null for one that only the owner or an admin can free. */
export function lockoutKeptUntil(lockout: Lockout, policy: LockoutPolicy): NumericDate | null {
  if (lockout.consecutive >= policy.lockoutCeiling) return null;
  const tickets = lockout.pending.map(({ at }) => at + LOST_TICKET_SECONDS);
  const counted = lockout.consecutive === 0 ? 0 : lockout.lastFailureAt + CONSECUTIVE_KEPT_SECONDS;
  return Math.max(lockout.lockedUntil, counted, ...tickets);
}

/** True if nothing of this track is worth keeping. */
export function isForgettable(lockout: Lockout, now: NumericDate, policy: LockoutPolicy): boolean {
  const until = lockoutKeptUntil(lockout, policy);
  return until !== null && until <= now;
}

function withFailure(lockout: Lockout, failure: Failure, policy: LockoutPolicy): Lockout {
  const { at } = failure;
  const failures = [...lockout.failures, failure].filter((one) => one.at + policy.lockoutWindowSeconds > at);
  const failed = { ...lockout, failures, consecutive: lockout.consecutive + 1, lastFailureAt: at };
  if (failures.length < policy.lockoutThreshold) return failed;
  const seconds = Math.min(policy.lockoutDurationSeconds * 2 ** lockout.level, LOCK_SECONDS_MAX);
  return { ...failed, failures: [], lockedUntil: at + seconds, level: lockout.level + 1 };
}
