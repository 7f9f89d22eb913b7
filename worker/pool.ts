/**
 * What an isolate may admit without asking: reservations of one limit, each good for
 * `RESERVATION_MS` from when it was asked for. Spending them costs no object call, and the object
 * has counted them already, so that all isolates together never admit more than the limit.
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

type Grant = { id: number; left: number; used: number; askedAtMs: number };

/** A busy client's share of the budget in one reservation: half, so that a burst costs one call in ten at most. */
const SHARES = 2;

export class Pool {
  #grants: Grant[] = [];
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #usedAtMs = Number.NEGATIVE_INFINITY;
  #isShareAsked = false;
  #budget: Budget | null = null;

  /** Spends one request if a reservation has one left. */
  take(nowMs: number): boolean {
    const grant = this.#grants.find((one) => one.left > 0 && isGood(one, nowMs));
    if (grant === undefined) return false;
    this.#usedAtMs = nowMs;
    grant.left -= 1;
    grant.used += 1;
    return true;
  }

  /** Undoes a `take` whose request was refused for another reason. */
  putBack(): void {
    const grant = this.#grants.find(({ used }) => used > 0);
    if (grant === undefined) return;
    grant.left += 1;
    grant.used -= 1;
  }

  /**
   * Asks for more, and settles what is over. True if the request at hand is admitted: by what was
   * granted, however late the answer came, or by what another request of this isolate was granted
   * and did not use. With `isPaid` it is admitted already, and nothing but settling is asked for.
   */
  async refill(
    rule: LimitRule,
    nowMs: number,
    isPaid: boolean,
    ask: (wish: Wish) => Promise<Reservation | null>,
  ): Promise<boolean> {
    const { wish, isShare } = this.#wish(rule, nowMs, isPaid);
    try {
      return this.#hear(await ask(wish), nowMs, isPaid);
    } finally {
      if (isShare) this.#isShareAsked = false;
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
      return asked.map(({ pool }, index) => pool.#hear(answers[index] ?? null, nowMs, false));
    } finally {
      for (const { pool, isShare } of asked) if (isShare) pool.#isShareAsked = false;
    }
  }

  /**
   * One request at first, so that a client that asks seldom has exactly what it uses counted; a
   * share once it is seen to come again, but one share at a time, so that a burst does not reserve
   * what it will not use.
   */
  #wish(rule: LimitRule, nowMs: number, isPaid: boolean): { wish: Wish; isShare: boolean } {
    const isBusy = isFresh(this.#usedAtMs, nowMs, RESERVATION_MS);
    const isShare = isBusy && !isPaid && !this.#isShareAsked;
    const want = isPaid ? 0 : isShare ? Math.max(1, Math.floor(rule.limit / SHARES)) : 1;
    this.#askedAtMs = nowMs;
    this.#usedAtMs = nowMs;
    if (isShare) this.#isShareAsked = true;
    return { wish: { rule, want, settle: this.#settleable(nowMs) }, isShare };
  }

  #hear(reservation: Reservation | null, nowMs: number, isPaid: boolean): boolean {
    if (reservation === null) return isPaid;
    const { id, granted, budget } = reservation;
    this.#budget = budget;
    if (isPaid || granted === 0) return isPaid || this.take(nowMs);
    this.#grants.push({ id, left: granted - 1, used: 1, askedAtMs: nowMs });
    return true;
  }

  /** What is left of the limit as far as this isolate knows, its own reservations included. */
  budget(nowMs: number): Budget | null {
    if (this.#budget === null) return null;
    const own = this.#grants.reduce((sum, grant) => sum + (isGood(grant, nowMs) ? grant.left : 0), 0);
    const ageSeconds = Math.max(0, Math.floor((nowMs - this.#askedAtMs) / 1000));
    const { limit, remaining, resetSeconds } = this.#budget;
    return {
      ...this.#budget,
      remaining: Math.min(limit, remaining + own),
      resetSeconds: Math.max(0, resetSeconds - ageSeconds),
    };
  }

  /** Takes out the reservations that are used up or have ended. */
  #settleable(nowMs: number): Settlement[] {
    const isOver = (grant: Grant) => grant.left === 0 || !isGood(grant, nowMs);
    const over = this.#grants.filter(isOver);
    this.#grants = this.#grants.filter((grant) => !isOver(grant));
    return over.map(({ id, used }) => ({ id, used }));
  }
}

function isGood(grant: Grant, nowMs: number): boolean {
  return isFresh(grant.askedAtMs, nowMs, RESERVATION_MS);
}
