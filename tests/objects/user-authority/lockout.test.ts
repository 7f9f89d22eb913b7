import { describe, expect, it } from "vitest";
import {
  decideReserve,
  decideSettle,
  isForgettable,
  isReminderDue,
  type Lockout,
  type LockoutPolicy,
  lockoutAt,
  lockoutLookAt,
  trackOf,
  UNLOCKED,
} from "../../../objects/user-authority/lockout.ts";
import { asTokenId, type TokenId } from "../../../schema/ids.ts";

const T = 1_800_000_000;
const DAY = 86_400;
const POLICY: LockoutPolicy = {
  lockoutThreshold: 5,
  lockoutWindowSeconds: 900,
  lockoutDurationSeconds: 1800,
  lockoutCeiling: 100,
};
const ASKED = { userId: 7, client: { ip: "203.0.113.7", country: null, userAgent: null }, requestId: "r" };

function ticket(n: number): TokenId {
  const id = asTokenId(`t${n}`.padEnd(22, "A"));
  if (id === null) throw new Error("no ticket");
  return id;
}

/** Reserves ticket `n`; throws if it is refused. */
function reserved(lockout: Lockout, n: number, at: number, policy = POLICY): Lockout {
  const decision = decideReserve(lockout, { ticket: ticket(n), ...ASKED }, at, policy);
  expect(decision.answer).toEqual({ kind: "reserved" });
  return decision.lockout;
}

/** Failures one after another at these moments; how many of them locked. */
function failed(lockout: Lockout, moments: number[], policy = POLICY): { lockout: Lockout; locks: number } {
  let current = lockout;
  let locks = 0;
  moments.forEach((at, i) => {
    const open = reserved(current, i, at, policy);
    const settled = decideSettle(open, { ticket: ticket(i), outcome: "failure" }, at, policy);
    current = settled.lockout;
    if (settled.hasLocked) locks += 1;
  });
  return { lockout: current, locks };
}
const times = (count: number, at: number, every = 0) =>
  Array.from({ length: count }, (_, i) => at + i * every);
const ask = (lockout: Lockout, at: number, policy = POLICY) =>
  decideReserve(lockout, { ticket: ticket(99), ...ASKED }, at, policy).answer;
const lockedFor = (retryAfterSeconds: number) => ({
  kind: "locked",
  retryAfterSeconds,
  untilUnlocked: false,
});

describe("a lock", () => {
  it("begins with the fifth failure within the window, to the second, and ends to the second", () => {
    expect(failed(UNLOCKED, times(4, T)).locks).toBe(0);
    const { lockout, locks } = failed(UNLOCKED, [T, T, T, T, T + 899]);
    expect(locks).toBe(1);
    expect(ask(lockout, T + 899)).toEqual(lockedFor(1800));
    expect(ask(lockout, T + 899 + 1799)).toEqual(lockedFor(1));
    expect(ask(lockout, T + 899 + 1800).kind).toBe("reserved");
    expect(failed(UNLOCKED, [T, T, T, T, T + 900]).locks, "one of them is out of the window").toBe(0);
  });

  it("lasts twice as long as the one before, a day at most", () => {
    const seconds: number[] = [];
    let lockout = UNLOCKED;
    let now = T;
    for (let i = 0; i < 9; i += 1) {
      lockout = failed(lockout, times(5, now)).lockout;
      seconds.push(lockout.lockedUntil - now);
      now = lockout.lockedUntil;
    }
    expect(seconds).toEqual([1800, 3600, 7200, 14_400, 28_800, 57_600, DAY, DAY, DAY]);
  });

  it("is as short as the first again once a day has passed without one", () => {
    const first = failed(UNLOCKED, times(5, T)).lockout;
    const end = first.lockedUntil;
    const soon = failed(first, times(5, end + DAY - 1)).lockout;
    expect(soon.lockedUntil - (end + DAY - 1)).toBe(3600);
    const late = failed(first, times(5, end + DAY)).lockout;
    expect(late.lockedUntil - (end + DAY)).toBe(1800);
  });
});

describe("LOCKOUT_CEILING", () => {
  it("is a lock, also when it is reached by failures too far apart for any other", () => {
    const { lockout, locks } = failed(UNLOCKED, times(100, T, 300));
    expect(locks).toBe(1);
    expect(lockout.lockedUntil, "none by the threshold").toBe(0);
    const never = T + 10 * 365 * DAY;
    expect(ask(lockout, never)).toEqual({ kind: "locked", retryAfterSeconds: 1800, untilUnlocked: true });
  });

  it("a week without a failure forgets how many there were, before it and never past it", () => {
    const below = failed(UNLOCKED, times(99, T, 300)).lockout;
    expect(lockoutAt(below, below.lastFailureAt + 7 * DAY, POLICY).lockout.consecutive).toBe(0);
    const past = failed(UNLOCKED, times(100, T, 300)).lockout;
    expect(lockoutAt(past, past.lastFailureAt + 7 * DAY, POLICY).lockout.consecutive).toBe(100);
    expect(lockoutLookAt(past, POLICY)).toBeNull();
    expect(isForgettable(past, T + 365 * DAY, POLICY)).toBe(false);
  });

  it("is not passed by guesses at once: open ones count", () => {
    let lockout = failed(UNLOCKED, times(98, T, 300)).lockout;
    const now = T + 98 * 300 + 900;
    lockout = reserved(reserved(lockout, 0, now), 1, now);
    expect(ask(lockout, now), "until one of the two is told apart").toEqual(lockedFor(60));
    for (const n of [0, 1]) {
      const command = { ticket: ticket(n), outcome: "failure" as const };
      lockout = decideSettle(lockout, command, now, POLICY).lockout;
    }
    expect(lockout.consecutive).toBe(100);
  });

  it("a link is due once the last one has run out, once a day at most", () => {
    const mailed = { ...UNLOCKED, remindedAt: T };
    expect(isReminderDue(mailed, T + 3599, { emailVerifyTtlSeconds: 3600 })).toBe(false);
    expect(isReminderDue(mailed, T + 3600, { emailVerifyTtlSeconds: 3600 })).toBe(true);
    expect(isReminderDue(mailed, T + DAY - 1, { emailVerifyTtlSeconds: 7 * DAY })).toBe(false);
    expect(isReminderDue(mailed, T + DAY, { emailVerifyTtlSeconds: 7 * DAY })).toBe(true);
  });
});

describe("attempts that are never settled", () => {
  const open = [0, 1, 2, 3, 4].reduce((lockout, n) => reserved(lockout, n, T + n), UNLOCKED);

  it("as many as the threshold refuse more until the first of them is told apart, a minute at most", () => {
    expect(ask(open, T + 4)).toEqual(lockedFor(56));
    expect(ask(open, T + 59)).toEqual(lockedFor(1));
    const settled = decideSettle(open, { ticket: ticket(0), outcome: "not_tried" }, T + 5, POLICY);
    expect(ask(settled.lockout, T + 5).kind).toBe("reserved");
  });

  it("lock a minute after the last, and whoever finds it hears by which: the lock is told", () => {
    expect(lockoutAt(open, T + 63, POLICY).lockedBy).toBeNull();
    const { lockout, lockedBy } = lockoutAt(open, T + 64, POLICY);
    expect(lockedBy).toMatchObject({ ticket: ticket(4), asked: ASKED });
    expect(ask(open, T + 64)).toEqual(lockedFor(1800));
    expect(lockoutAt(lockout, T + 65, POLICY).lockedBy, "once").toBeNull();
    expect(lockoutAt(open, T + 3 * DAY, POLICY).lockout.lockedUntil, "dated by when it was lost").toBe(
      T + 64 + 1800,
    );
  });

  it("wake the object a minute after the last where they would lock; a lone one costs no alarm for a day", () => {
    expect(lockoutLookAt(open, POLICY)).toBe(T + 64);
    expect(lockoutLookAt(reserved(UNLOCKED, 0, T), POLICY)).toBe(T + DAY);
    const lone = lockoutAt(reserved(UNLOCKED, 0, T), T + 60, POLICY);
    expect(lone.lockout).toMatchObject({ consecutive: 1, failures: [{ at: T + 60, seq: 1 }] });
  });

  it("a hash that takes seconds is settled as any other; after a minute it changes nothing more", () => {
    const slow = reserved(UNLOCKED, 0, T);
    const success = { ticket: ticket(0), outcome: "success" as const };
    expect(decideSettle(slow, success, T + 59, POLICY).lockout.consecutive).toBe(0);
    expect(decideSettle(slow, success, T + 60, POLICY).lockout.consecutive).toBe(1);
  });
});

it("a success clears the failures of attempts that were reserved before it, and no others", () => {
  let lockout = failed(UNLOCKED, times(2, T)).lockout;
  lockout = reserved(reserved(lockout, 10, T), 11, T);
  lockout = decideSettle(lockout, { ticket: ticket(11), outcome: "failure" }, T, POLICY).lockout;
  lockout = decideSettle(lockout, { ticket: ticket(10), outcome: "success" }, T, POLICY).lockout;
  expect(lockout).toMatchObject({ consecutive: 1, failures: [{ seq: 4 }] });
});

it("known clients are counted apart until ten of them have failures", () => {
  const known = Array.from({ length: 10 }, (_, i) => `device:${i}` as const);
  expect(trackOf("device:new", known.slice(1))).toBe("device:new");
  expect(trackOf("device:new", known)).toBe("strangers");
  expect(trackOf("device:3", known)).toBe("device:3");
});
