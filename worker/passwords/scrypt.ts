/**
 * `scrypt` (RFC 7914), verified and never made: the runtime's own, which cannot be sliced and holds the isolate
 * for up to a third of a second. It is met once by each user, whose hash the login then replaces.
 */
import { scryptSync } from "node:crypto";
import { SCRYPT_MEMORY_MAX, type ScryptHash } from "../../schema/password-hash.ts";
import { equalBytes } from "./equal-bytes.ts";

/** Whether the password is the one of the hash. Its costs are within the parser's ceilings. */
export function verifyScrypt(password: Uint8Array, hash: ScryptHash): boolean {
  const { cost: N, blockSize: r, parallelism: p, salt, digest } = hash;
  const maxmem = 2 * SCRYPT_MEMORY_MAX; // OpenSSL counts a little more than 128·N·r
  return equalBytes(new Uint8Array(scryptSync(password, salt, digest.length, { N, r, p, maxmem })), digest);
}
