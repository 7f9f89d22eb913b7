/** `scrypt` (Django's `ScryptPasswordHasher`): verified and never made. */
import type { ScryptHash } from "../../schema/password-hash.ts";
import { equalBytes } from "./equal-bytes.ts";
import { runMemoryHard } from "./memory-hard/run.ts";

/** Whether the password is the one of the hash (RFC 7914 §6). Django's salt is raw text. */
export async function verifyScrypt(password: Uint8Array, hash: ScryptHash): Promise<boolean> {
  const { cost, blockSize, parallelization, digest } = hash;
  const salt = new TextEncoder().encode(hash.salt);
  const blocks = await oneIteration(password, salt, parallelization * 128 * blockSize);
  const mixed = await runMemoryHard((engine) => engine.scrypt({ cost, blockSize, blocks }));
  return equalBytes(await oneIteration(password, mixed, digest.length), digest);
}

/** Bytes of SHA-256. */
const BLOCK = 32;

/**
 * PBKDF2-HMAC-SHA256 of one iteration: an HMAC for each block of the result (RFC 8018 §5.2). The runtime's own PBKDF2
 * stops at 255 of them, which is less than some costs take.
 */
async function oneIteration(password: Uint8Array, salt: Uint8Array, length: number): Promise<Uint8Array> {
  // HMAC fills a key up with zeros, so that one is no key; Web Crypto wants at least one byte.
  const raw = password.length === 0 ? new Uint8Array(1) : password;
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const result = new Uint8Array(Math.ceil(length / BLOCK) * BLOCK);
  const message = new Uint8Array(salt.length + 4);
  message.set(salt);
  for (let block = 0; block * BLOCK < length; block += 1) {
    new DataView(message.buffer).setUint32(salt.length, block + 1);
    result.set(new Uint8Array(await crypto.subtle.sign("HMAC", key, message)), block * BLOCK);
  }
  return result.subarray(0, length);
}
