/**
 * `md5` and `sha1`, with a salt and without: one digest of salt and password (Django's `MD5PasswordHasher` and its
 * kin). They are verified so that nobody is locked out, and never outlive the first login (HASH-06).
 */
import type { DigestHash } from "../../schema/password-hash.ts";
import { equalBytes } from "./equal-bytes.ts";

const NAMES = { md5: "MD5", sha1: "SHA-1" } as const;

/** Whether the password is the one of the hash. */
export async function verifyDigest(password: Uint8Array, hash: DigestHash): Promise<boolean> {
  const salt = new TextEncoder().encode(hash.salt);
  const message = new Uint8Array(salt.length + password.length);
  message.set(salt);
  message.set(password, salt.length);
  const digest = await crypto.subtle.digest(NAMES[hash.algorithm], message);
  return equalBytes(new Uint8Array(digest), hash.digest);
}
