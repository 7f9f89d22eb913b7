/** `md5` and `sha1`, salted and unsalted: Django's oldest kinds, verified once and replaced (HASH-06). */
import type { DigestHash } from "../../schema/password-hash.ts";
import { equalBytes } from "./equal-bytes.ts";

const NAMES = { md5: "MD5", sha1: "SHA-1" } as const;

/** Whether the password is the one of the hash: a single digest over the salt's text and the password. */
export async function verifyDigest(password: Uint8Array, hash: DigestHash): Promise<boolean> {
  const salt = new TextEncoder().encode(hash.salt);
  const salted = new Uint8Array(salt.length + password.length);
  salted.set(salt);
  salted.set(password, salt.length);
  return equalBytes(new Uint8Array(await crypto.subtle.digest(NAMES[hash.algorithm], salted)), hash.digest);
}
