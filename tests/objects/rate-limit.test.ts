import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideCharge, decideReservation, endsAtMs, type RequestLog } from "../../objects/rate-limit.ts";
import {
  type Budget,
  type ChargeAnswer,
  type LimitRule,
  RESERVATION_MS,
  type Settlement,
  type Use,
} from "../../schema/limits.ts";

const T = 1_800_000_000_000;

const ip = (limit: number, seconds: number): LimitRule => ({ name: "ip", limit, seconds });

/** The guard as its object runs it: what is refused is not written. */
class Guard {
  readonly rules: readonly LimitRule[];
  logs: readonly RequestLog[];

  constructor(...rules: LimitRule[]) {
    this.rules = rules;
    this.logs = rules.map(() => []);
  }

  charge(nowMs: number): ChargeAnswer {
    const { answer, logs } = decideCharge(frozen(this.logs), this.rules, nowMs);
    if (answer.kind === "admitted") this.logs = logs;
    return answer;
  }

  admits(nowMs: number): boolean {
    return this.charge(nowMs).kind === "admitted";
  }
}

/** Charges until refused, and tells what the refusal says. */
function exhaust(guard: Guard, nowMs: number): Extract<ChargeAnswer, { kind: "refused" }> {
  for (;;) {
    const answer = guard.charge(nowMs);
    if (answer.kind === "refused") return answer;
  }
}

const LIMITS = [1, 2, 3, 60, 127, 128, 129, 130, 1000];
const arrivals = (gapMaxMs: number) =>
  fc.array(fc.oneof(fc.constant(0), fc.nat({ max: 20 }), fc.nat({ max: gapMaxMs })), {
    minLength: 1,
    maxLength: 300,
  });
/** Few enough for the arrivals to fill them, on both sides of 128. */
const smallRules = fc.record({
  limit: fc.integer({ min: 1, max: 20 }),
  seconds: fc.constantFrom(1, 5, 60),
});

describe("one limit", () => {
  test.for(LIMITS)(
    "RL-01: a limit of %i admits exactly that many of ten times as many at one moment",
    (limit) => {
      const guard = new Guard(ip(limit, 60));
      const admitted = Array.from({ length: 10 * limit }, () => guard.admits(T)).filter(Boolean);
      expect(admitted).toHaveLength(limit);
    },
  );

  test.for(LIMITS)(
    "RL-01: a limit of %i admits exactly that many of what comes spread over one period",
    (limit) => {
      const guard = new Guard(ip(limit, 60));
      const stepMs = 60_000 / (10 * limit);
      let admitted = 0;
      for (let i = 0; i < 10 * limit; i += 1) if (guard.admits(T + Math.floor(i * stepMs))) admitted += 1;
      expect(admitted).toBe(limit);
    },
  );

  test("RL-01: no window has an edge at which a burst could be doubled", () => {
    const guard = new Guard(ip(5, 60));
    for (let i = 0; i < 5; i += 1) expect(guard.admits(T + 59_999)).toBe(true);
    for (const later of [60_000, 60_001, 119_998]) expect(guard.admits(T + later)).toBe(false);
    for (let i = 0; i < 5; i += 1) expect(guard.admits(T + 119_999)).toBe(true);
    expect(guard.admits(T + 119_999)).toBe(false);
  });

  test("contract §3: each answer tells limit, period, what is left, and when the oldest counts no more", () => {
    const guard = new Guard(ip(2, 60));
    const budget = { name: "ip", limit: 2, seconds: 60 };
    expect(guard.charge(T)).toEqual({
      kind: "admitted",
      budgets: [{ ...budget, remaining: 1, resetSeconds: 60 }],
    });
    expect(guard.charge(T + 10_001)).toEqual({
      kind: "admitted",
      budgets: [{ ...budget, remaining: 0, resetSeconds: 50 }],
    });
    expect(guard.charge(T + 59_001)).toEqual({
      kind: "refused",
      by: "ip",
      retryAfterSeconds: 1,
      budgets: [{ ...budget, remaining: 0, resetSeconds: 1 }],
    });
  });

  test("RL-07: a log ends when its last request counts no more; an empty one has ended", () => {
    expect(endsAtMs([], 60)).toBe(0);
    expect(
      endsAtMs(
        [
          { atMs: T, count: 3 },
          { atMs: T + 500, count: 1 },
        ],
        60,
      ),
    ).toBe(T + 60_500);
  });
});

describe("any sequence of arrivals", () => {
  test("RL-01: up to 128 the decisions are those of a plain list of every admitted moment, budgets included", () => {
    const rules = fc.record({
      limit: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 128 })),
      seconds: fc.constantFrom(1, 5, 60),
    });
    fc.assert(
      fc.property(rules, arrivals(3000), ({ limit, seconds }, gaps) => {
        const rule = ip(limit, seconds);
        const guard = new Guard(rule);
        const naive: number[] = [];
        let nowMs = T;
        for (const gap of gaps) {
          nowMs += gap;
          expect(guard.charge(nowMs)).toEqual(naiveCharge(naive, rule, nowMs));
        }
        const ends = naive.map((atMs) => atMs + seconds * 1000).filter((atMs) => atMs > nowMs);
        for (const askedMs of ends.flatMap((atMs) => [atMs - 1, atMs])) {
          const { answer } = decideCharge(guard.logs, [rule], askedMs);
          expect(answer).toEqual(naiveCharge([...naive], rule, askedMs));
        }
      }),
    );
  });

  test.for([127, 128])(
    "RL-01: a limit of %i frees one request for each that counts no more, to the millisecond",
    (limit) => {
      const guard = new Guard(ip(limit, 60));
      for (let i = 0; i < limit; i += 1) expect(guard.admits(T + 7 * i)).toBe(true);
      for (let i = 0; i < limit; i += 1) {
        expect(guard.admits(T + 60_000 + 7 * i - 1)).toBe(false);
        expect(guard.admits(T + 60_000 + 7 * i)).toBe(true);
      }
    },
  );

  test("RL-01: no period of any start ever holds more than the limit, up to 128", () => {
    fc.assert(
      fc.property(smallRules, arrivals(3000), ({ limit, seconds }, gaps) => {
        expectNoFullerPeriod(new Guard(ip(limit, seconds)), gaps);
      }),
    );
  });

  test("RL-01: no period of any start ever holds more than the limit, above 128", () => {
    const rules = fc.record({
      limit: fc.integer({ min: 129, max: 200 }),
      seconds: fc.constantFrom(1, 5, 60),
    });
    // Several in each slot, for twice as long as the shortest period: then slots pass out of it one by one.
    const gaps = fc.array(fc.nat({ max: 6 }), { minLength: 500, maxLength: 800 });
    fc.assert(
      fc.property(rules, gaps, ({ limit, seconds }, all) => {
        expectNoFullerPeriod(new Guard(ip(limit, seconds)), all);
      }),
      { numRuns: 60 },
    );
  });

  test("RL-01: above 128 it refuses for one slot too long at most: what a slot's width longer would admit, it admits", () => {
    const rules = fc.record({ limit: fc.integer({ min: 129, max: 160 }), seconds: fc.constantFrom(1, 5) });
    fc.assert(
      fc.property(rules, fc.array(fc.nat({ max: 30 }), { minLength: 200, maxLength: 400 }), (rule, gaps) => {
        const guard = new Guard(ip(rule.limit, rule.seconds));
        const slotMs = Math.ceil((rule.seconds * 1000) / 128);
        const admitted: number[] = [];
        let nowMs = T;
        for (const gap of gaps) {
          nowMs += gap;
          const longer = admitted.filter((atMs) => atMs + rule.seconds * 1000 + slotMs > nowMs).length;
          const isAdmitted = guard.admits(nowMs);
          if (longer < rule.limit) expect(isAdmitted).toBe(true);
          if (isAdmitted) admitted.push(nowMs);
        }
      }),
    );
  });

  test("RL-07: a log never has more than 130 entries, whatever the limit", () => {
    const rules = fc.record({
      limit: fc.constantFrom(127, 128, 129, 500, 9_999_999),
      seconds: fc.constantFrom(1, 7, 60, 86_400),
    });
    fc.assert(
      fc.property(rules, fc.integer({ min: 1, max: 2000 }), ({ limit, seconds }, steps) => {
        const guard = new Guard(ip(limit, seconds));
        for (let i = 0; i < 500; i += 1) {
          guard.charge(T + Math.floor((i * seconds * 1000) / steps));
          expect(guard.logs[0]?.length).toBeLessThanOrEqual(130);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("Retry-After", () => {
  test("RL-03: up to 128 it is the second in which the next passes, and no second before would do", () => {
    fc.assert(
      fc.property(smallRules, arrivals(2500), ({ limit, seconds }, gaps) => {
        const guard = new Guard(ip(limit, seconds));
        let nowMs = T;
        for (const gap of gaps) {
          nowMs += gap;
          const answer = guard.charge(nowMs);
          if (answer.kind === "admitted") continue;
          const { retryAfterSeconds } = answer;
          expect(retryAfterSeconds).toBeGreaterThan(0);
          expect(retryAfterSeconds).toBeLessThanOrEqual(seconds);
          expect(wouldAdmit(guard, nowMs + (retryAfterSeconds - 1) * 1000)).toBe(false);
          expect(wouldAdmit(guard, nowMs + retryAfterSeconds * 1000)).toBe(true);
        }
      }),
    );
  });

  test.for([1, 5, 128])(
    "RL-03: a limit of %i refuses one millisecond before the period is over, and then admits",
    (limit) => {
      const guard = new Guard(ip(limit, 60));
      expect(exhaust(guard, T).retryAfterSeconds).toBe(60);
      expect(guard.admits(T + 59_999)).toBe(false);
      expect(guard.admits(T + 60_000)).toBe(true);
    },
  );

  test.for([129, 1000])(
    "RL-03: a limit of %i admits after what it said, and no later than a slot after the period",
    (limit) => {
      const guard = new Guard(ip(limit, 60));
      for (let i = 0; i < limit - 1; i += 1) expect(guard.admits(T + (i % 400))).toBe(true);
      const { retryAfterSeconds } = exhaust(guard, T + 400);
      expect(retryAfterSeconds).toBeLessThanOrEqual(61);
      expect(guard.admits(T + 400 + retryAfterSeconds * 1000)).toBe(true);
    },
  );

  test("RL-03: above 128, whatever comes, the next passes after what it said", () => {
    const rules = fc.record({ limit: fc.integer({ min: 129, max: 160 }), seconds: fc.constantFrom(1, 5) });
    fc.assert(
      fc.property(rules, fc.array(fc.nat({ max: 30 }), { minLength: 200, maxLength: 400 }), (rule, gaps) => {
        const guard = new Guard(ip(rule.limit, rule.seconds));
        let nowMs = T;
        for (const gap of gaps) {
          nowMs += gap;
          const answer = guard.charge(nowMs);
          if (answer.kind === "admitted") continue;
          expect(wouldAdmit(guard, nowMs + answer.retryAfterSeconds * 1000)).toBe(true);
        }
      }),
    );
  });

  test("RL-03: with two limits full it is the longer wait, so that it is true of both", () => {
    const guard = new Guard(ip(2, 60), { name: "register", limit: 2, seconds: 3600 });
    expect(exhaust(guard, T)).toMatchObject({ by: "register", retryAfterSeconds: 3600 });
    expect(guard.admits(T + 3_599_999)).toBe(false);
    expect(guard.admits(T + 3_600_000)).toBe(true);
  });

  test("RL-03: a limit that was lowered under what it had admitted says when it admits again", () => {
    const guard = new Guard(ip(10, 60));
    for (let i = 0; i < 10; i += 1) guard.admits(T + i * 1000);
    const { answer } = decideCharge(guard.logs, [ip(3, 60)], T + 10_000);
    if (answer.kind === "admitted") throw new Error("a refusal was expected");
    const again = decideCharge(guard.logs, [ip(3, 60)], T + 10_000 + answer.retryAfterSeconds * 1000);
    expect(again.answer.kind).toBe("admitted");
  });
});

describe("several limits", () => {
  const AUTH: LimitRule = { name: "auth", limit: 2, seconds: 300 };

  test("RL-04: one request is charged to each of its limits", () => {
    const guard = new Guard(ip(5, 60), AUTH);
    expect(remaining(guard.charge(T))).toEqual([4, 1]);
  });

  test("RL-04: what one limit refuses is charged to none", () => {
    const guard = new Guard(ip(5, 60), AUTH);
    for (let i = 0; i < 9; i += 1) guard.charge(T);
    expect(guard.charge(T)).toMatchObject({ kind: "refused", by: "auth" });
    expect(remaining(guard.charge(T))).toEqual([3, 0]);
    expect(decideCharge([guard.logs[0] ?? []], [ip(5, 60)], T).answer).toMatchObject({ kind: "admitted" });
  });

  test("RL-04: over any arrivals each limit holds by itself, and a refusal leaves every log as it was", () => {
    const rules = fc.tuple(smallRules, smallRules, smallRules);
    fc.assert(
      fc.property(rules, arrivals(2000), ([one, two, three], gaps) => {
        const guard = new Guard(
          { name: "ip", ...one },
          { name: "auth", ...two },
          { name: "refresh", ...three },
        );
        const admitted: number[] = [];
        let nowMs = T;
        for (const gap of gaps) {
          nowMs += gap;
          const fits = guard.rules.every(
            ({ limit, seconds }) => admitted.filter((atMs) => atMs + seconds * 1000 > nowMs).length < limit,
          );
          const before = guard.logs;
          const answer = guard.charge(nowMs);
          expect(answer.kind).toBe(fits ? "admitted" : "refused");
          if (fits) admitted.push(nowMs);
          else expect(guard.logs).toBe(before);
        }
      }),
    );
  });

  test("a refusal hands out the logs unchanged, but for what counts no more", () => {
    const log = [
      { atMs: T, count: 1 },
      { atMs: T + 5000, count: 2 },
    ];
    expect(decideCharge([log], [ip(2, 60)], T + 60_000)).toMatchObject({
      logs: [[{ atMs: T + 5000, count: 2 }]],
      answer: { kind: "refused" },
    });
    expect(decideCharge([log], [ip(3, 60)], T + 59_999).logs).toEqual([log]);
  });
});

describe("a clock that is set back", () => {
  test.for([3, 128, 129, 500])("LCK-08: a full limit of %i stays full", (limit) => {
    const guard = new Guard(ip(limit, 60));
    exhaust(guard, T);
    for (const backMs of [1, 1000, 59_999, 3_600_000]) expect(guard.admits(T - backMs)).toBe(false);
  });

  test.for([3, 128, 129, 500])("LCK-08: a limit of %i, half used, has the other half left", (limit) => {
    const guard = new Guard(ip(limit, 60));
    const half = Math.floor(limit / 2);
    for (let i = 0; i < half; i += 1) expect(guard.admits(T)).toBe(true);
    let more = 0;
    while (guard.admits(T - 30_000)) more += 1;
    expect(more).toBe(limit - half);
  });

  test("LCK-08: Retry-After stays true by the clock that is shown", () => {
    const guard = new Guard(ip(3, 60));
    exhaust(guard, T);
    const { retryAfterSeconds } = exhaust(guard, T - 10_000);
    expect(guard.admits(T - 10_000 + retryAfterSeconds * 1000 - 1)).toBe(false);
    expect(guard.admits(T - 10_000 + retryAfterSeconds * 1000)).toBe(true);
  });

  test("LCK-08: a log stays in order and bounded while a clock trembles", () => {
    for (const limit of [128, 500, 9_999_999]) {
      const guard = new Guard(ip(limit, 60));
      for (let i = 0; i < 600; i += 1) {
        guard.charge(T + i * 100 - (i % 2) * 150);
        const times = (guard.logs[0] ?? []).map(({ atMs }) => atMs);
        expect(times).toEqual(times.toSorted((one, other) => one - other));
        expect(times.length).toBeLessThanOrEqual(130);
      }
    }
  });

  test("LCK-08: above 128 a request that is dated back does not make the others of its slot count shorter", () => {
    const slotMs = Math.ceil(60_000 / 128);
    const slotAtMs = Math.ceil(T / slotMs) * slotMs;
    const guard = new Guard(ip(129, 60));
    for (let i = 0; i < 128; i += 1) expect(guard.admits(slotAtMs + 400)).toBe(true);
    expect(guard.admits(slotAtMs + 10)).toBe(true);
    let more = 0;
    while (guard.admits(slotAtMs + 60_399)) more += 1;
    expect(more).toBeLessThanOrEqual(1);
  });

  test("LCK-08: over any steps of the clock, back ones included, no period of its time holds more than the limit", () => {
    // Back by less than a period: what was forgotten on the way cannot be counted again.
    const steps = fc.array(fc.integer({ min: -900, max: 300 }), { minLength: 1, maxLength: 200 });
    const limits = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(129, 140));
    fc.assert(
      fc.property(limits, steps, (limit, gaps) => {
        const guard = new Guard(ip(limit, 60));
        const admitted: number[] = [];
        let nowMs = T + 40_000;
        for (const gap of gaps) {
          nowMs = Math.max(T, Math.min(T + 59_999, nowMs + gap));
          if (guard.admits(nowMs)) admitted.push(nowMs);
        }
        expect(admitted.length).toBeLessThanOrEqual(limit);
      }),
    );
  });
});

describe("reservations", () => {
  const RULE = ip(100, 60);
  const reserve = (log: RequestLog, want: number, nowMs: number, rule = RULE) =>
    decideReservation(frozen(log), rule, { want, settle: [] }, nowMs);
  const settle = (log: RequestLog, id: number, used: number, nowMs: number, rule = RULE, uses?: Use[]) => {
    const settlement: Settlement = { id, used, ...(uses === undefined ? {} : { uses }) };
    return decideReservation(frozen(log), rule, { want: 0, settle: [settlement] }, nowMs).log;
  };
  const charge = (log: RequestLog, nowMs: number, rule = RULE) =>
    decideCharge(frozen([log]), [rule], nowMs).logs[0] ?? [];
  /** What the log counts at this moment. */
  const used = (log: RequestLog, nowMs: number, rule = RULE) =>
    rule.limit - reserve(log, 0, nowMs, rule).reservation.budget.remaining;

  test("RL-01: a reservation takes what is wanted, at most what is left, and counts until a period after its end", () => {
    const { reservation, log } = reserve([], 10, T);
    expect(reservation).toEqual({
      id: T + 5000,
      granted: 10,
      budget: { ...RULE, remaining: 90, resetSeconds: 60 },
    });
    expect(used(log, T + 64_999)).toBe(10);
    expect(used(log, T + 65_000)).toBe(0);
    const nearlyFull = reserve([{ atMs: T, count: 97 }], 10, T);
    expect(nearlyFull.reservation).toMatchObject({ granted: 3, budget: { remaining: 0 } });
  });

  test("RL-01: with nothing left nothing is granted, and the log stays", () => {
    const full = [{ atMs: T, count: 100 }];
    const { reservation, log } = reserve(full, 10, T + 1000);
    expect(reservation).toMatchObject({ granted: 0, budget: { remaining: 0, resetSeconds: 59 } });
    expect(log).toEqual(full);
  });

  test.for([0, -5])("a wish for %i grants nothing", (want) => {
    expect(reserve([], want, T)).toMatchObject({ log: [], reservation: { granted: 0 } });
  });

  test("two reservations of one moment have two names", () => {
    const first = reserve([], 10, T);
    const second = reserve(first.log, 10, T);
    expect(second.reservation.id).not.toBe(first.reservation.id);
    expect(used(settle(second.log, second.reservation.id, 0, T), T)).toBe(10);
  });

  test("RL-01: whoever was granted nothing settles nobody else's reservation of the same moment", () => {
    const nothing = reserve([], 0, T);
    const other = reserve(nothing.log, 10, T);
    expect(used(settle(other.log, nothing.reservation.id, 0, T), T)).toBe(10);
  });

  test("what was used counts for a period from the moment that the edge tells, to the millisecond", () => {
    const { reservation, log } = reserve([], 10, T);
    const told = settle(log, reservation.id, 3, T + 5000, RULE, [
      [0, 1],
      [1234, 2],
    ]);
    expect(told).toEqual([
      { atMs: T, count: 1 },
      { atMs: T + 1234, count: 2 },
    ]);
    expect(used(told, T + 59_999)).toBe(3);
    expect(used(told, T + 60_000)).toBe(2);
    expect(used(told, T + 61_234)).toBe(0);
  });

  test("RL-01: a use is never counted from before it can have happened, nor from after it was told", () => {
    const { reservation, log } = reserve([], 10, T);
    const late = settle(log, reservation.id, 1, T + 300, RULE, [[400, 1]]);
    expect(late, "the question was 100 ms on its way").toEqual([{ atMs: T + 300, count: 1 }]);
  });

  test.for([-1, RESERVATION_MS + 1, Number.NaN, Number.POSITIVE_INFINITY])(
    "RL-01: a use %d ms after the question counts from the reservation's end",
    (afterMs) => {
      const { reservation, log } = reserve([], 10, T);
      const told = settle(log, reservation.id, 2, T + 9000, RULE, [
        [afterMs, 1],
        [RESERVATION_MS, 1],
      ]);
      expect(told).toEqual([{ atMs: T + RESERVATION_MS, count: 2 }]);
    },
  );

  test("RL-01: of more uses than were granted the latest count, and those without a moment from the end", () => {
    const { reservation, log } = reserve([], 3, T);
    const uses: Use[] = [
      [10, 2],
      [20, 2],
      [30, -5],
    ];
    expect(settle(log, reservation.id, 4, T + 9000, RULE, uses)).toEqual([
      { atMs: T + 10, count: 1 },
      { atMs: T + 20, count: 2 },
    ]);
    expect(settle(log, reservation.id, 2, T + 9000, RULE, [[10, 1]])).toEqual([
      { atMs: T + 10, count: 1 },
      { atMs: T + RESERVATION_MS, count: 1 },
    ]);
  });

  test("what was not used is given back, and what an older edge used counts from its latest moment", () => {
    const { reservation, log } = reserve([], 10, T);
    const early = settle(log, reservation.id, 4, T + 2000);
    expect(used(early, T + 61_999)).toBe(4);
    expect(used(early, T + 62_000)).toBe(0);
    const late = settle(log, reservation.id, 4, T + 9000);
    expect(used(late, T + 64_999)).toBe(4);
    expect(used(late, T + 65_000)).toBe(0);
  });

  test("RL-07: a reservation that was not used at all leaves nothing", () => {
    const { reservation, log } = reserve([], 10, T);
    expect(settle(log, reservation.id, 0, T + 2000)).toEqual([]);
  });

  test("a settlement of what nobody knows, or of what has passed, changes nothing", () => {
    const log = [{ atMs: T, count: 3 }];
    expect(settle(log, T + 1, 0, T + 10)).toEqual(log);
    const { reservation, log: reserved } = reserve([], 10, T);
    expect(settle(reserved, reservation.id, 1, T + 65_000)).toEqual([]);
  });

  test("RL-01: more used than was granted counts as all that was granted", () => {
    const { reservation, log } = reserve([], 10, T);
    expect(used(settle(log, reservation.id, 99, T), T)).toBe(10);
    expect(used(settle(log, reservation.id, -1, T), T)).toBe(0);
  });

  test("RL-01: a settlement that arrives twice takes back no request of another", () => {
    const { reservation, log } = reserve([], 10, T);
    const charged = charge(settle(log, reservation.id, 0, T + 4000), reservation.id);
    expect(used(settle(charged, reservation.id, 0, T + 5001), T + 5001)).toBe(1);
  });

  test("RL-01: a reservation that has not ended makes nothing that was charged before count shorter", () => {
    const rule = ip(10, 1);
    let log: RequestLog = [];
    for (let i = 0; i < 5; i += 1) log = charge(log, T, rule);
    const reserved = reserve(log, 1, T, rule);
    expect(reserved.reservation.budget.remaining).toBe(4);
    const { answer } = decideCharge([reserved.log], [rule], T + 999);
    expect(remaining(answer)).toEqual([3]);
  });

  test("RL-01: a request charged at the very moment that a reservation ends is not settled with it", () => {
    const { reservation, log } = reserve([], 10, T);
    const charged = charge(log, reservation.id);
    expect(used(charged, T + 5000)).toBe(11);
    expect(used(settle(charged, reservation.id, 2, T + 5001), T + 5001)).toBe(3);
  });

  test("RL-01: above 128 a reservation can still be settled when a request came in its slot after it had ended", () => {
    const rule = ip(600, 60);
    const { reservation, log } = reserve([], 120, T, rule);
    const charged = charge(log, T + 5001, rule);
    expect(used(settle(charged, reservation.id, 2, T + 5002, rule), T + 5002, rule)).toBe(3);
  });

  test("a limit that was lowered under what it had admitted grants nothing, and does not fail", () => {
    const log = [{ atMs: T, count: 100 }];
    expect(reserve(log, 10, T + 1, ip(60, 60)).reservation.granted).toBe(0);
  });

  test("RL-01: whatever edges do with their reservations, no period ever holds more than the limit", () => {
    // Each step: exact charges, or an edge reserves, uses what it holds, or settles. Questions take
    // time, the object's clock is another one, and an edge of an older release tells no moments.
    const step = fc.record({
      gapMs: fc.oneof(
        { weight: 6, arbitrary: fc.nat({ max: 60 }) },
        { weight: 1, arbitrary: fc.constantFrom(0, 999, 1000, 5000, 5001) },
        { weight: 1, arbitrary: fc.nat({ max: 3000 }) },
      ),
      edge: fc.nat({ max: 2 }),
      act: fc.constantFrom("charge", "use", "use", "reserve", "settle"),
      amount: fc.integer({ min: 1, max: 12 }),
      lagMs: fc.constantFrom(0, 0, 1, 40, 1500),
      isOld: fc.constantFrom(false, false, true),
    });
    const rules = fc.record({
      limit: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 129, max: 150 })),
      seconds: fc.constantFrom(1, 5, 60),
      skewMs: fc.constantFrom(0, -700_000, 700_000),
    });
    fc.assert(
      fc.property(rules, fc.array(step, { maxLength: 150 }), ({ limit, seconds, skewMs }, steps) => {
        const rule = ip(limit, seconds);
        type Held = { id: number; granted: number; used: number; uses: Use[]; askedAtMs: number };
        const held = new Map<number, Held>();
        const admitted: number[] = [];
        let log: RequestLog = [];
        let nowMs = T;
        for (const { gapMs, edge, act, amount, lagMs, isOld } of steps) {
          nowMs += gapMs;
          const mine = held.get(edge);
          if (act === "charge") {
            for (let i = 0; i < amount; i += 1) {
              const { answer, logs } = decideCharge(frozen([log]), [rule], nowMs + skewMs);
              if (answer.kind === "refused") break;
              admitted.push(nowMs);
              log = logs[0] ?? [];
            }
          } else if (act === "use") {
            const isOver = mine === undefined || nowMs - mine.askedAtMs >= RESERVATION_MS;
            const used = isOver ? 0 : Math.min(mine.granted - mine.used, amount);
            if (mine !== undefined) mine.used += used;
            mine?.uses.push([nowMs - mine.askedAtMs, used]);
            admitted.push(...Array.from({ length: used }, () => nowMs));
          } else {
            const settle =
              mine === undefined
                ? []
                : [{ id: mine.id, used: mine.used, ...(isOld ? {} : { uses: mine.uses }) }];
            const want = act === "settle" ? 0 : amount;
            const askedAtMs = nowMs;
            nowMs += lagMs;
            const decision = decideReservation(frozen(log), rule, { want, settle }, nowMs + skewMs);
            log = decision.log;
            const { id, granted } = decision.reservation;
            held.set(edge, { id, granted, used: 0, uses: [], askedAtMs });
          }
        }
        expect(fullestPeriod(admitted, seconds)).toBeLessThanOrEqual(limit);
        const unsettled = log.filter(({ reserved }) => reserved).length;
        expect(log.length, "RL-07").toBeLessThanOrEqual(limit <= 128 ? limit : 130 + unsettled);
      }),
      { numRuns: 3000 },
    );
  });
});

function remaining(answer: ChargeAnswer): number[] {
  return answer.budgets.map((budget) => budget.remaining);
}

/** Asks without being counted. */
function wouldAdmit(guard: Guard, nowMs: number): boolean {
  return decideCharge(guard.logs, guard.rules, nowMs).answer.kind === "admitted";
}

function expectNoFullerPeriod(guard: Guard, gaps: readonly number[]): void {
  const [rule] = guard.rules;
  if (rule === undefined) throw new Error("one rule was expected");
  const admitted: number[] = [];
  let nowMs = T;
  for (const gap of gaps) {
    nowMs += gap;
    if (guard.admits(nowMs)) admitted.push(nowMs);
  }
  expect(fullestPeriod(admitted, rule.seconds)).toBeLessThanOrEqual(rule.limit);
}

/** The most that any half-open period holds: the fullest one begins with one of its requests. */
function fullestPeriod(times: readonly number[], seconds: number): number {
  return Math.max(
    0,
    ...times.map((from) => times.filter((atMs) => atMs >= from && atMs < from + seconds * 1000).length),
  );
}

/** The reference: every admitted moment in a plain list. */
function naiveCharge(admitted: number[], rule: LimitRule, nowMs: number): ChargeAnswer {
  const counting = () => admitted.filter((atMs) => atMs + rule.seconds * 1000 > nowMs);
  const isAdmitted = counting().length < rule.limit;
  if (isAdmitted) admitted.push(nowMs);
  const [oldest = nowMs] = counting();
  const resetSeconds = Math.ceil((oldest + rule.seconds * 1000 - nowMs) / 1000);
  const budgets: Budget[] = [{ ...rule, remaining: rule.limit - counting().length, resetSeconds }];
  return isAdmitted
    ? { kind: "admitted", budgets }
    : { kind: "refused", by: rule.name, retryAfterSeconds: resetSeconds, budgets };
}

/** Frozen to the bottom: a decision that wrote into its arguments would throw. */
function frozen<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value;
  for (const member of Object.values(value))
    if (typeof member === "object" && member !== null) frozen(member);
  return Object.freeze(value);
}
