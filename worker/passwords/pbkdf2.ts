/**
 * `pbkdf2_sha256`, Django's default, and `pbkdf2_sha1`: verified and never made. The runtime's own PBKDF2 (Web Crypto
 * and `node:crypto` alike) refuses more than 100,000 iterations when deployed, though not when run locally.
 */
import type { Pbkdf2Hash } from "../../schema/password-hash.ts";
import { derive, WORKSHOP } from "./derive.ts";
import { equalBytes } from "./equal-bytes.ts";
import { createPbkdf2, type Pbkdf2 } from "./pbkdf2/engine.ts";
import sha1 from "./pbkdf2/pbkdf2-sha1.wasm";
import sha256 from "./pbkdf2/pbkdf2-sha256.wasm";

type Name = Pbkdf2Hash["algorithm"];

/** Each made when the first hash of its kind is met. */
const made: Partial<Record<Name, Pbkdf2>> = {};
const MAKE: Record<Name, () => Pbkdf2> = {
  pbkdf2_sha256: () => createPbkdf2(sha256, 32),
  pbkdf2_sha1: () => createPbkdf2(sha1, 20),
};
/** Microseconds of an iteration. */
const STEP_US: Record<Name, number> = { pbkdf2_sha256: 0.25, pbkdf2_sha1: 0.35 };

/**
 * PBKDF2-HMAC (RFC 8018 §5.2), one digest long. Password and salt have at most 1,024 bytes each.
 * Yields to other requests every few milliseconds, so it must be awaited inside a request.
 */
export function pbkdf2(
  name: Name,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<Uint8Array> {
  made[name] ??= MAKE[name]();
  const derivation = made[name].begin(password, salt);
  return derive({ derivation, steps: iterations - 1, stepUs: STEP_US[name] }, WORKSHOP);
}

/** Whether the password is the one of the hash. Django's salt is raw text: it is encoded, not decoded. */
export async function verifyPbkdf2(password: Uint8Array, hash: Pbkdf2Hash): Promise<boolean> {
  const salt = new TextEncoder().encode(hash.salt);
  return equalBytes(await pbkdf2(hash.algorithm, password, salt, hash.iterations), hash.digest);
}
