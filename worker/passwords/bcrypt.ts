/**
 * `bcrypt_sha256` and `bcrypt` (Django's `BCryptSHA256PasswordHasher`, `BCryptPasswordHasher`): verified and never
 * made. The code is our own because bcryptjs pauses by the clock, which stands still while a Worker computes, so
 * that it would hold the isolate for a third of a second.
 */
import type { BcryptHash } from "../../schema/password-hash.ts";
import module from "./bcrypt/bcrypt.wasm";
import { type Bcrypt, createBcrypt, PASSWORD_LENGTH_MAX } from "./bcrypt/engine.ts";
import { derive, WORKSHOP } from "./derive.ts";
import { equalBytes } from "./equal-bytes.ts";

/** Microseconds of one of the 2^cost iterations. */
const STEP_US = 70;

let engine: Bcrypt | null = null;

/** Whether the password is the one of the hash. */
export async function verifyBcrypt(password: Uint8Array, hash: BcryptHash): Promise<boolean> {
  const key = hash.algorithm === "bcrypt_sha256" ? await hexSha256(password) : password;
  engine ??= createBcrypt(module);
  // Of plain bcrypt only 72 bytes count, in Django too: the first login renews the hash, and then all of them do.
  const derivation = engine.begin(key.subarray(0, PASSWORD_LENGTH_MAX), hash.salt);
  const digest = await derive({ derivation, steps: 2 ** hash.cost, stepUs: STEP_US }, WORKSHOP);
  // bcrypt ends a password with a NUL and repeats it: with one inside, "a\0a" would be as good as "a" (PWD-04).
  return equalBytes(digest, hash.digest) && !key.includes(0);
}

async function hexSha256(password: Uint8Array): Promise<Uint8Array> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", password));
  return new TextEncoder().encode(digest.toHex());
}
