/** A whole derivation in slices, with pauses between them in which the isolate serves other requests. */
import { assert } from "../../schema/assert.ts";
import { Slices } from "./slices.ts";

/** A hash under way. It is worked on in steps, and needs nothing of its own between two of them. */
export interface Derivation {
  /** Does so many steps. Synchronous. */
  advance(steps: number): void;
  /** The result of the steps done so far; the derivation is over and forgotten. */
  finish(): Uint8Array;
  /** Forgets it without a result. May be called at any time, any number of times. */
  abort(): void;
}

export interface Work {
  readonly derivation: Derivation;
  /** How many steps it has. */
  readonly steps: number;
  /** How long one usually takes. It sizes the slices and nothing else. */
  readonly stepUs: number;
}

/** What every derivation in an isolate has in common. */
export interface Workshop {
  readonly slices: Slices;
  /** Lets other requests run. */
  readonly pause: () => Promise<void>;
}

/** The isolate's own. A timer is what really gives the turn to other events; a resolved promise does not. */
export const WORKSHOP: Workshop = { slices: new Slices(), pause: () => scheduler.wait(0) };

/** How many steps fit a slice: at least one. */
export function stepsIn(microseconds: number, { stepUs }: Work): number {
  return Math.max(1, Math.floor(microseconds / stepUs));
}

/** The result of all steps. Must be awaited inside a request, which may end between any two of them. */
export async function derive(work: Work, { slices, pause }: Workshop): Promise<Uint8Array> {
  const { derivation } = work;
  assert(Number.isSafeInteger(work.steps) && work.steps >= 0, "a number of steps");
  try {
    let left = work.steps;
    while (left > 0) {
      const slice = Math.min(left, stepsIn(slices.next(derivation), work));
      derivation.advance(slice);
      left -= slice;
      if (left > 0) await pause();
    }
    return derivation.finish();
  } finally {
    derivation.abort();
    slices.leave(derivation);
  }
}
