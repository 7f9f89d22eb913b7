/**
 * `pbkdf2_sha1`: an older choice of Django's, verified and never made. The runtime refuses more than 100,000
 * iterations of its own, so the chain of HMACs is computed here, in slices like the other PBKDF2.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import type { Pbkdf2Hash } from "../../schema/password-hash.ts";
import { equalBytes } from "./equal-bytes.ts";
import { derive, type Workshop } from "./pbkdf2/derive.ts";
import type { Pbkdf2 } from "./pbkdf2/engine.ts";
import { Slices } from "./pbkdf2/slices.ts";

/** An iteration takes six times what it takes in WebAssembly. */
const ITERATIONS_PER_ROUND = 1_500;
/** RFC 8018 §5.2: the first block is the only one of a 20-byte result. */
const FIRST_BLOCK = Uint8Array.of(0, 0, 0, 1);

const workshop: Workshop = {
  pbkdf2: { begin },
  slices: new Slices(ITERATIONS_PER_ROUND),
  pause: () => scheduler.wait(0),
};

/** Whether the password is the one of the hash. Yields to other requests every few milliseconds. */
export async function verifyPbkdf2Sha1(password: Uint8Array, hash: Pbkdf2Hash): Promise<boolean> {
  const salt = new TextEncoder().encode(hash.salt);
  return equalBytes(await derive({ password, salt, iterations: hash.iterations }, workshop), hash.digest);
}

function begin(password: Uint8Array, salt: Uint8Array): ReturnType<Pbkdf2["begin"]> {
  const keyed = hmac.create(sha1, password);
  const scratch = keyed.clone();
  const last = keyed.clone().update(salt).update(FIRST_BLOCK).digest();
  const result = last.slice();
  const forget = () => {
    keyed.destroy();
    scratch.destroy();
    last.fill(0);
  };
  return {
    advance(iterations) {
      for (let i = 0; i < iterations; i += 1) {
        keyed._cloneInto(scratch).update(last).digestInto(last);
        for (let at = 0; at < result.length; at += 1) result[at] = (result[at] ?? 0) ^ (last[at] ?? 0);
      }
    },
    finish: () => result,
    abort: forget,
  };
}
