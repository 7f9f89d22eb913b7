/**
 * What an isolate may admit without asking: reservations of one limit, each good for
 * `RESERVATION_MS` from when it was asked for. Spending them costs no object call, and the object
 * has counted them already, so that all isolates together never admit more than the limit.
 *
 * Of requests that come at once one asks and the others wait for what it brings. Each looks by a
 * timer of its own whether the answer is there: the platform ends a request as hung that has nothing
 * but another's promise to wait for, forbids some of them to be resolved by another request at all,
 * and whoever asks may be cancelled and never come back.
 */
import {
  type Budget,
  type LimitRule,
  RESERVATION_MS,
  type Reservation,
  type Settlement,
  type Wish,
} from "../schema/limits.ts";
import { isFresh } from "../schema/time.ts";

/** `uses`: how many, by milliseconds after it was asked for. */
type Grant = { id: number; left: number; uses: Map<number, number>; slotMs: number; askedAtMs: number };

/** A question under way. `isAnswered`: it brought something, be it that nothing is left until `fullUntilMs`. */
type Flight = { askedAtMs: number; hasLanded: boolean; isAnswered: boolean; fullUntilMs: number };

/** A busy client's share of the budget in one reservation: half, so that a burst costs one call in ten at most. */
const SHARES = 2;
/** Uses of a reservation are told apart by the millisecond, those of a greater one in so many slots. */
const SLOTS_MAX = 100;
/** As long as a question is waited for: then everyone asks for himself. */
const WAIT_MS_MAX = 1000;
/** An object answers within some ten milliseconds: looked for after 1, 3, 7, 15 ms, and so on. */
const LOOK_MS_MAX = 8;

export class Pool {
  #grants: Grant[] = [];
  #usedAtMs = Number.NEGATIVE_INFINITY;
  #flight: Flight | null = null;
  /** As it was last told, to a question of `askedAtMs`. */
  #told: { budget: Budget; askedAtMs: number } | null = null;

  /** Spends one request if a reservation has one left. */
  take(nowMs: number): boolean {
    const grant = this.#grants.find((one) => one.left > 0 && isGood(one, nowMs));
    if (grant === undefined) return false;
    this.#usedAtMs = nowMs;
    grant.left -= 1;
    count(grant, nowMs, 1);
    return true;
  }

  /** Undoes what a request took at this moment, or asked for then, which was refused for another reason. */
  putBack(nowMs: number): void {
    const grant = this.#grants.find((one) => one.uses.has(slotOf(one, nowMs)));
    if (grant === undefined) return;
    grant.left += 1;
    count(grant, nowMs, -1);
  }

  /**
   * Gets what a request lacks: by waiting while another request of the isolate asks for it, and else
   * by `ask`, which must begin to refill before it awaits anything. `lacking` takes what there is at
   * a moment and answers the pools that have not enough; it is called at once, and again with every
   * answer. A pool if that one was told, while it was waited for, that nothing is left.
   */
  static async inTurn(
    clock: () => number,
    lacking: (nowMs: number) => readonly Pool[],
    ask: (nowMs: number) => Promise<void>,
    pause: (ms: number) => Promise<void> = sleep,
  ): Promise<Pool | null> {
    const sinceMs = clock();
    let nowMs = sinceMs;
    let pools = lacking(nowMs);
    while (pools.length > 0 && isFresh(sinceMs, nowMs, WAIT_MS_MAX)) {
      const pool = pools.find((one) => one.#isAsking(nowMs));
      const flight = pool === undefined ? null : pool.#flight;
      if (pool === undefined || flight === null) break;
      await landing(flight, pause);
      nowMs = clock();
      pools = lacking(nowMs);
      if (!flight.isAnswered) break; // it failed, or takes too long: now each asks for itself
      if (pools.includes(pool) && flight.fullUntilMs > nowMs) return pool;
    }
    if (pools.length === 0) return null;
    await ask(nowMs);
    lacking(clock()); // what others were granted meanwhile and did not use
    return null;
  }

  /**
   * Asks for more, and settles what is over. True if the request at hand is admitted by what was
   * granted, however late the answer came. With `isPaid` it is admitted already, and nothing but
   * settling is asked for.
   */
  async refill(
    rule: LimitRule,
    nowMs: number,
    isPaid: boolean,
    ask: (wish: Wish) => Promise<Reservation | null>,
  ): Promise<boolean> {
    const { wish, flight } = this.#wish(rule, nowMs, isPaid);
    try {
      return this.#hear(await ask(wish), nowMs, isPaid, flight);
    } finally {
      this.#land(flight);
    }
  }

  /** `refill` for several limits that one request counts to, in one question. */
  static async refillEach(
    pools: readonly { pool: Pool; rule: LimitRule }[],
    nowMs: number,
    ask: (wishes: Wish[]) => Promise<Reservation[]>,
  ): Promise<boolean[]> {
    const asked = pools.map(({ pool, rule }) => ({ pool, ...pool.#wish(rule, nowMs, false) }));
    try {
      const answers = await ask(asked.map(({ wish }) => wish));
      return asked.map(({ pool, flight }, index) => pool.#hear(answers[index] ?? null, nowMs, false, flight));
    } finally {
      for (const { pool, flight } of asked) pool.#land(flight);
    }
  }

  /**
   * One request at first, so that a client that asks seldom has exactly what it uses counted; a
   * share once it is seen to come again, but one share at a time, so that a burst does not reserve
   * what it will not use. `flight` is null for a question beside another.
   */
  #wish(rule: LimitRule, nowMs: number, isPaid: boolean): { wish: Wish; flight: Flight | null } {
    const flight = this.#isAsking(nowMs) ? null : newFlight(nowMs);
    if (flight !== null) this.#flight = flight;
    const isShare = flight !== null && isFresh(this.#usedAtMs, nowMs, RESERVATION_MS);
    const want = isPaid ? 0 : isShare ? Math.max(1, Math.floor(rule.limit / SHARES)) : 1;
    this.#usedAtMs = nowMs;
    return { wish: { rule, want, settle: this.#settleable(nowMs) }, flight };
  }

  #hear(reservation: Reservation | null, nowMs: number, isPaid: boolean, flight: Flight | null): boolean {
    if (reservation === null) return isPaid;
    const { id, granted, budget } = reservation;
    this.#told = { budget, askedAtMs: nowMs };
    if (flight !== null) {
      flight.isAnswered = true;
      // In the second that is rounded up there may be room again: whoever comes then asks.
      if (budget.remaining === 0 && granted === 0)
        flight.fullUntilMs = nowMs + (budget.resetSeconds - 1) * 1000;
    }
    if (isPaid || granted === 0) return isPaid;
    const slotMs = granted <= SLOTS_MAX ? 1 : RESERVATION_MS / SLOTS_MAX;
    const grant: Grant = { id, left: granted - 1, uses: new Map(), slotMs, askedAtMs: nowMs };
    count(grant, nowMs, 1);
    this.#grants.push(grant);
    return true;
  }

  /** What is left of the limit as far as this isolate knows, its own reservations included. */
  budget(nowMs: number): Budget | null {
    if (this.#told === null) return null;
    const { budget, askedAtMs } = this.#told;
    const own = this.#grants.reduce((sum, grant) => sum + (isGood(grant, nowMs) ? grant.left : 0), 0);
    const ageSeconds = Math.max(0, Math.floor((nowMs - askedAtMs) / 1000));
    // The object counts a reservation from its end until it hears how it was used; here that is known.
    const sinceMs = Math.min(...this.#grants.map((grant) => firstUseMs(grant, nowMs)));
    const ownSeconds = Math.ceil((sinceMs - nowMs) / 1000) + budget.seconds;
    return {
      ...budget,
      remaining: Math.min(budget.limit, budget.remaining + own),
      resetSeconds: Math.max(0, Math.min(budget.resetSeconds - ageSeconds, ownSeconds)),
    };
  }

  /** Takes out the reservations that are used up or have ended. */
  #settleable(nowMs: number): Settlement[] {
    const isOver = (grant: Grant) => grant.left === 0 || !isGood(grant, nowMs);
    const over = this.#grants.filter(isOver);
    this.#grants = this.#grants.filter((grant) => !isOver(grant));
    return over.map(({ id, uses }) => ({ id, used: sum(uses.values()), uses: [...uses] }));
  }

  #isAsking(nowMs: number): boolean {
    return this.#flight !== null && isFresh(this.#flight.askedAtMs, nowMs, WAIT_MS_MAX);
  }

  #land(flight: Flight | null): void {
    if (flight === null) return;
    flight.hasLanded = true;
    if (this.#flight === flight) this.#flight = null;
  }
}

function newFlight(askedAtMs: number): Flight {
  return { askedAtMs, hasLanded: false, isAnswered: false, fullUntilMs: 0 };
}

/** Until the question is answered or has failed, and no longer than a while. */
async function landing(flight: Flight, pause: (ms: number) => Promise<void>): Promise<void> {
  let stepMs = 1;
  for (let waitedMs = 0; !flight.hasLanded && waitedMs < WAIT_MS_MAX; waitedMs += stepMs) {
    stepMs = Math.min(waitedMs + 1, LOOK_MS_MAX);
    await pause(stepMs);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function isGood(grant: Grant, nowMs: number): boolean {
  return isFresh(grant.askedAtMs, nowMs, RESERVATION_MS);
}

/** Rounded up: what is counted later counts longer. */
function slotOf({ askedAtMs, slotMs }: Grant, nowMs: number): number {
  return Math.ceil((nowMs - askedAtMs) / slotMs) * slotMs;
}

function count(grant: Grant, nowMs: number, more: number): void {
  const slot = slotOf(grant, nowMs);
  const counted = (grant.uses.get(slot) ?? 0) + more;
  if (counted === 0) grant.uses.delete(slot);
  else grant.uses.set(slot, counted);
}

/** Unused, it may be used at this moment. */
function firstUseMs({ askedAtMs, uses }: Grant, nowMs: number): number {
  return Math.min(nowMs, askedAtMs + Math.min(...uses.keys()));
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((one, other) => one + other, 0);
}
