/** A whole PBKDF2 derivation in slices, with pauses between them in which the isolate serves other requests. */
import { assert } from "../../../schema/assert.ts";
import type { Pbkdf2 } from "./engine.ts";
import type { Slices } from "./slices.ts";

export interface DerivationInput {
  /** At most 1,024 bytes each. */
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  /** At least 1. */
  readonly iterations: number;
}

/** What every derivation in an isolate has in common. */
export interface Workshop {
  readonly pbkdf2: Pbkdf2;
  readonly slices: Slices;
  /** Lets other requests run. */
  readonly pause: () => Promise<void>;
}

/** PBKDF2 (RFC 8018 §5.2): the first block of the engine's digest. */
export async function derive(input: DerivationInput, workshop: Workshop): Promise<Uint8Array> {
  const { pbkdf2, slices, pause } = workshop;
  assert(Number.isSafeInteger(input.iterations) && input.iterations >= 1, "at least one iteration");
  const derivation = pbkdf2.begin(input.password, input.salt);
  try {
    let left = input.iterations - 1;
    while (left > 0) {
      const slice = Math.min(left, slices.next(derivation));
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
