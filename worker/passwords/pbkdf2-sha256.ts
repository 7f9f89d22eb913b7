/**
 * `pbkdf2_sha256`: Django's default hash, verified and never made. The runtime's own PBKDF2 (Web Crypto and
 * `node:crypto` alike) refuses more than 100,000 iterations when deployed, though not when run locally.
 */
import type { Pbkdf2Hash } from "../../schema/password-hash.ts";
import { equalBytes } from "./equal-bytes.ts";
import { derive, type Workshop } from "./pbkdf2/derive.ts";
import { createPbkdf2 } from "./pbkdf2/engine.ts";
import module from "./pbkdf2/pbkdf2.wasm";
import { Slices } from "./pbkdf2/slices.ts";

/** One per isolate, made when the first old hash is met. */
let workshop: Workshop | null = null;

/**
 * PBKDF2-HMAC-SHA256 (RFC 8018 §5.2), 32 bytes. Password and salt have at most 1,024 bytes each.
 * Yields to other requests every few milliseconds, so it must be awaited inside a request.
 */
export function pbkdf2Sha256(
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<Uint8Array> {
  workshop ??= { pbkdf2: createPbkdf2(module), slices: new Slices(), pause: () => scheduler.wait(0) };
  return derive({ password, salt, iterations }, workshop);
}

/** Whether the password is the one of the hash. Django's salt is raw text: it is encoded, not decoded. */
export async function verifyPbkdf2Sha256(password: Uint8Array, hash: Pbkdf2Hash): Promise<boolean> {
  const salt = new TextEncoder().encode(hash.salt);
  return equalBytes(await pbkdf2Sha256(password, salt, hash.iterations), hash.digest);
}
