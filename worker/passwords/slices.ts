/**
 * How much of a derivation is done before other requests get their turn. Derivations in one isolate run side by
 * side and share one allowance, so that a request waits about as long beside ten logins as beside one.
 * It only sizes slices: no result ever depends on it.
 */

/**
 * Microseconds of work between two chances for other requests. Work and not time, because clocks stand still while
 * a Worker computes: each algorithm says how long its steps usually take. Smaller slices would pay more for the
 * pauses, about a millisecond each, than they give back.
 */
export const ROUND_US = 2_000;
/** Microseconds: below, a slice is mostly the way in and out of it. */
export const SLICE_MIN_US = 250;

/** Rounds without a slice after which a derivation is taken to be gone. */
const MISSED_ROUNDS_MAX = 4;

/** One derivation's place among the others. */
export type Share = object;

/**
 * The derivations under way in one isolate. One that is cancelled between two slices does not say so, because
 * its continuation never runs: it is noticed by the slices it does not ask for.
 */
export class Slices {
  /** Each derivation, and the number of the slice it last asked for. */
  #lastSlice = new Map<Share, number>();
  #slice = 0;

  /** How many microseconds of work this derivation may do now, before it pauses. */
  next(share: Share): number {
    this.#slice += 1;
    this.#lastSlice.set(share, this.#slice);
    const oldest = this.#slice - MISSED_ROUNDS_MAX * this.#lastSlice.size;
    for (const [other, last] of this.#lastSlice) {
      if (last < oldest) this.#lastSlice.delete(other);
    }
    const fair = Math.floor(ROUND_US / this.#lastSlice.size);
    return Math.max(fair, SLICE_MIN_US);
  }

  /** Whether it has asked lately: what does not is taken to be gone. */
  has(share: Share): boolean {
    return this.#lastSlice.has(share);
  }

  /** This derivation is over. */
  leave(share: Share): void {
    this.#lastSlice.delete(share);
  }
}
