/**
 * How much of a derivation is done before other requests get their turn. Derivations in one isolate run side by
 * side and share one allowance, so that a request waits about as long beside ten logins as beside one.
 * It only sizes slices: no result ever depends on it.
 */

/**
 * Iterations between two chances for other requests: about two milliseconds. A number and not a time, because
 * clocks stand still while a Worker computes. Smaller slices would pay more for the pauses, about a millisecond
 * each, than they give back.
 */
export const ITERATIONS_PER_ROUND = 8_000;
/** A quarter of a millisecond: below, a slice is mostly the way in and out of it. */
export const ITERATIONS_PER_SLICE_MIN = 1_000;

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
  readonly #perRound: number;

  constructor(perRound = ITERATIONS_PER_ROUND) {
    this.#perRound = perRound;
  }

  /** How many iterations this derivation may do now, before it pauses. */
  next(share: Share): number {
    this.#slice += 1;
    this.#lastSlice.set(share, this.#slice);
    const oldest = this.#slice - MISSED_ROUNDS_MAX * this.#lastSlice.size;
    for (const [other, last] of this.#lastSlice) {
      if (last < oldest) this.#lastSlice.delete(other);
    }
    const fair = Math.floor(this.#perRound / this.#lastSlice.size);
    return Math.max(fair, Math.min(this.#perRound, ITERATIONS_PER_SLICE_MIN));
  }

  /** This derivation is over. */
  leave(share: Share): void {
    this.#lastSlice.delete(share);
  }
}
