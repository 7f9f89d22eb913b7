/** Reservations spent by several isolates at once, against the one log that grants them. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { decideReservation, type RequestLog } from "../../objects/rate-limit.ts";
import { type LimitRule, RESERVATION_MS } from "../../schema/limits.ts";
import { Pool } from "../../worker/pool.ts";

/** An object with one log and a clock of its own, which hears questions late. */
class Guard {
  readonly skewMs: number;
  #log: RequestLog = [];
  #nowMs = Number.NEGATIVE_INFINITY;
  asked = 0;

  constructor(skewMs = 0) {
    this.skewMs = skewMs;
  }

  answer(rule: LimitRule, wish: Parameters<typeof decideReservation>[2], nowMs: number) {
    this.asked += 1;
    this.#nowMs = Math.max(this.#nowMs, nowMs + this.skewMs);
    const { reservation, log } = decideReservation(this.#log, rule, wish, this.#nowMs);
    this.#log = log;
    return reservation;
  }
}

type Clock = { nowMs: number };
type Way = { isLost?: boolean; lagMs?: number };

/** One request to an isolate, as the edge serves it: when it was admitted, or null. */
async function admittedAt(
  pool: Pool,
  guard: Guard,
  rule: LimitRule,
  clock: Clock,
  { isLost = false, lagMs = 0 }: Way,
): Promise<number | null> {
  let atMs: number | null = null;
  await Pool.inTurn(
    () => clock.nowMs,
    (nowMs) => {
      if (atMs === null && pool.take(nowMs)) atMs = nowMs;
      return atMs === null ? [pool] : [];
    },
    async (nowMs) => {
      let heardAtMs = nowMs;
      const isAdmitted = await pool.refill(rule, nowMs, false, async (wish) => {
        await Promise.resolve(); // others come before it is answered
        clock.nowMs += lagMs;
        heardAtMs = clock.nowMs;
        const reservation = guard.answer(rule, wish, heardAtMs);
        return isLost ? null : reservation;
      });
      if (isAdmitted) atMs = heardAtMs; // when it was counted
    },
    () => Promise.resolve(),
  );
  return atMs;
}

async function request(pool: Pool, guard: Guard, rule: LimitRule, nowMs: number): Promise<boolean> {
  return (await admittedAt(pool, guard, rule, { nowMs }, {})) !== null;
}

/** The most requests in any period of `seconds`. */
function densest(times: readonly number[], seconds: number): number {
  const counts = times.map((from) => times.filter((at) => at >= from && at < from + seconds * 1000).length);
  return Math.max(0, ...counts);
}

it("RL-01: several isolates together never admit more than the limit in any period, whatever is lost", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        limit: fc.constantFrom(1, 3, 10, 60, 500),
        seconds: fc.constantFrom(5, 30, 60),
        arrivals: fc.array(
          fc.record({
            gapMs: fc.oneof(fc.nat(60), fc.nat(4000)),
            isolate: fc.nat(3),
            isLost: fc.boolean(),
            lagMs: fc.constantFrom(0, 1, 40, 1500, 6000),
            atOnce: fc.constantFrom(1, 1, 1, 2, 7),
          }),
          { maxLength: 150 },
        ),
        skewMs: fc.constantFrom(0, -700_000, 700_000),
      }),
      async ({ limit, seconds, arrivals, skewMs }) => {
        const rule: LimitRule = { name: "user", limit, seconds };
        const guard = new Guard(skewMs);
        const pools = [new Pool(), new Pool(), new Pool(), new Pool()];
        const admitted: number[] = [];
        const clock = { nowMs: 1_000_000 };
        for (const { gapMs, isolate, atOnce, ...way } of arrivals) {
          clock.nowMs += gapMs;
          const pool = pools[isolate] ?? new Pool();
          const burst = Array.from({ length: atOnce }, () => admittedAt(pool, guard, rule, clock, way));
          for (const atMs of await Promise.all(burst)) if (atMs !== null) admitted.push(atMs);
          const told = pool.budget(clock.nowMs);
          expect(
            told?.resetSeconds ?? 0,
            "no wait is longer than a period and a reservation",
          ).toBeLessThanOrEqual(seconds + RESERVATION_MS / 1000 + 1);
        }
        expect(densest(admitted, seconds)).toBeLessThanOrEqual(limit);
      },
    ),
    { numRuns: 300 },
  );
});

it("one isolate alone can spend all of the limit, to the last request", async () => {
  const rule: LimitRule = { name: "user", limit: 60, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  const answers = [];
  for (let i = 0; i < 100; i += 1) answers.push(await request(pool, guard, rule, 1000 + i));
  expect(answers.filter(Boolean)).toHaveLength(60);
  expect(answers.slice(0, 60).every(Boolean)).toBe(true);
});

it("in steady use at most one request in ten asks", async () => {
  const rule: LimitRule = { name: "user", limit: 600, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  for (let i = 0; i < 1000; i += 1) await request(pool, guard, rule, 1000 + i * 150);
  expect(guard.asked).toBeLessThanOrEqual(100);
});

it("who asks seldom has exactly counted what was used", async () => {
  const rule: LimitRule = { name: "ip", limit: 100, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  for (let i = 0; i < 4; i += 1) await request(pool, guard, rule, 1000 + i * RESERVATION_MS);
  expect(pool.budget(1000 + 3 * RESERVATION_MS)?.remaining).toBe(96);
});

it("a burst that arrives at once costs two calls, one request's and a share's, and reserves no second share", async () => {
  const rule: LimitRule = { name: "ip", limit: 100, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  const burst = Array.from({ length: 40 }, () => request(pool, guard, rule, 1000));
  expect((await Promise.all(burst)).every(Boolean)).toBe(true);
  expect(guard.asked).toBe(2);
  expect(pool.budget(1000)?.remaining).toBe(60);
  let spent = 0;
  while (pool.take(1000)) spent += 1;
  expect(spent).toBe(11);
});

it("RL-01: of ten times the limit at once exactly the limit is admitted, in a handful of calls", async () => {
  const rule: LimitRule = { name: "ip", limit: 100, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  const burst = await Promise.all(Array.from({ length: 1000 }, () => request(pool, guard, rule, 1000)));
  expect(burst.filter(Boolean)).toHaveLength(100);
  expect(guard.asked).toBeLessThanOrEqual(5);
  expect(pool.budget(1000)).toMatchObject({ remaining: 0, resetSeconds: 60 });
});

it("when the question that others wait for fails, each asks for itself", async () => {
  const rule: LimitRule = { name: "ip", limit: 100, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  const failing = pool.refill(rule, 1000, false, async () => {
    await Promise.resolve();
    throw new Error("the network is down");
  });
  const waiting = Array.from({ length: 3 }, () => request(pool, guard, rule, 1000));
  await expect(failing).rejects.toThrow("the network is down");
  expect(await Promise.all(waiting)).toEqual([true, true, true]);
});

it("a request whose question never comes back holds nobody up for ever", async () => {
  const rule: LimitRule = { name: "ip", limit: 100, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  void pool.refill(rule, 1000, false, () => new Promise(() => undefined));
  expect(await request(pool, guard, rule, 1000)).toBe(true);
  expect(await request(pool, guard, rule, 2000), "and a later one does not wait").toBe(true);
});

it.each([1000, 1017, 1035, 1060])(
  "RL-01: with 60 in 60 s, a client that asks every %i ms is never refused",
  async (gapMs) => {
    const rule: LimitRule = { name: "user", limit: 60, seconds: 60 };
    const guard = new Guard();
    const pool = new Pool();
    for (let i = 0; i < 300; i += 1) {
      const nowMs = 1000 + i * gapMs;
      expect(await request(pool, guard, rule, nowMs), `request ${i}`).toBe(true);
      expect(pool.budget(nowMs)?.resetSeconds, `request ${i}`).toBeLessThanOrEqual(60);
    }
  },
);

it("the first answer says what is left and when the one request counts no more", async () => {
  const rule: LimitRule = { name: "ip", limit: 100, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  await request(pool, guard, rule, 1000);
  expect(pool.budget(1000)).toEqual({ ...rule, remaining: 99, resetSeconds: 60 });
  await request(pool, guard, rule, 3500);
  expect(pool.budget(3500), "a share is reserved, two are used").toEqual({
    ...rule,
    remaining: 98,
    resetSeconds: 58,
  });
});

it("what is put back was never used", async () => {
  const rule: LimitRule = { name: "ip", limit: 10, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  for (const nowMs of [1000, 2000, 3000]) expect(await request(pool, guard, rule, nowMs)).toBe(true);
  pool.putBack(3000);
  expect(pool.budget(3000)?.remaining).toBe(8);
  expect(await request(pool, guard, rule, 9000)).toBe(true);
  expect(pool.budget(9000)?.remaining).toBe(7);
});

it("RL-07: a settlement tells about a hundred moments at most, however much was used", async () => {
  const rule: LimitRule = { name: "ip", limit: 100_000, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  const sizes: number[] = [];
  for (let i = 0; i < 6000; i += 1) {
    if (pool.take(1000 + i)) continue;
    await pool.refill(rule, 1000 + i, false, async (wish) => {
      sizes.push(...wish.settle.map(({ uses = [] }) => uses.length));
      return guard.answer(rule, wish, 1000 + i);
    });
  }
  expect(Math.max(...sizes)).toBe(101);
});

it("a client that asks once a second costs one call in five requests", async () => {
  const rule: LimitRule = { name: "user", limit: 60, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  for (let i = 0; i < 51; i += 1) expect(await request(pool, guard, rule, i * 1000)).toBe(true);
  expect(guard.asked).toBe(11); // the first, and one in five of the others
});
