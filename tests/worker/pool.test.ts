/** Reservations spent by several isolates at once, against the one log that grants them. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { decideReservation, type RequestLog } from "../../objects/rate-limit.ts";
import { type LimitRule, RESERVATION_MS } from "../../schema/limits.ts";
import { Pool } from "../../worker/pool.ts";

/** An object with one log, whose answers can be lost on their way. */
class Guard {
  #log: RequestLog = [];
  asked = 0;

  answer(rule: LimitRule, wish: Parameters<typeof decideReservation>[2], nowMs: number) {
    this.asked += 1;
    const { reservation, log } = decideReservation(this.#log, rule, wish, nowMs);
    this.#log = log;
    return reservation;
  }
}

/** One request to an isolate, as the edge serves it; true if it is admitted. */
async function request(
  pool: Pool,
  guard: Guard,
  rule: LimitRule,
  nowMs: number,
  isLost = false,
): Promise<boolean> {
  if (pool.take(nowMs)) return true;
  return pool.refill(rule, nowMs, false, async (wish) => {
    const reservation = guard.answer(rule, wish, nowMs);
    return isLost ? null : reservation;
  });
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
          fc.record({ gapMs: fc.integer({ min: 0, max: 4000 }), isolate: fc.nat(3), isLost: fc.boolean() }),
          { maxLength: 150 },
        ),
      }),
      async ({ limit, seconds, arrivals }) => {
        const rule: LimitRule = { name: "user", limit, seconds };
        const guard = new Guard();
        const pools = [new Pool(), new Pool(), new Pool(), new Pool()];
        const admitted: number[] = [];
        let nowMs = 1_000_000;
        for (const { gapMs, isolate, isLost } of arrivals) {
          nowMs += gapMs;
          const pool = pools[isolate];
          if (pool !== undefined && (await request(pool, guard, rule, nowMs, isLost))) admitted.push(nowMs);
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

it("a burst that arrives at once reserves one share, not one each", async () => {
  const rule: LimitRule = { name: "ip", limit: 100, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  const burst = Array.from({ length: 40 }, () =>
    pool.refill(rule, 1000, false, async (wish) => {
      await Promise.resolve(); // all of them ask before one is answered
      return guard.answer(rule, wish, 1000);
    }),
  );
  await Promise.all(burst);
  expect(pool.budget(1000)?.remaining).toBe(60);
  let spent = 0;
  while (pool.take(1000)) spent += 1;
  expect(spent).toBe(49);
});

it("a client that asks once a second costs one call in five requests", async () => {
  const rule: LimitRule = { name: "user", limit: 60, seconds: 60 };
  const guard = new Guard();
  const pool = new Pool();
  for (let i = 0; i < 51; i += 1) expect(await request(pool, guard, rule, i * 1000)).toBe(true);
  expect(guard.asked).toBe(11); // the first, and one in five of the others
});
