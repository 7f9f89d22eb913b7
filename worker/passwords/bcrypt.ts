/**
 * `bcrypt` and `bcrypt_sha256`, verified and never made. bcrypt looks at 72 bytes of a password, as it always did
 * in Django; the second kind gives it the SHA-256 of the password in hexadecimal, of which nothing is cut off.
 */
import { compareSync } from "bcryptjs";
import type { BcryptHash } from "../../schema/password-hash.ts";

/** Whether the password is the one of the hash. Holds the isolate for a third of a second at Django's cost of 12. */
export async function verifyBcrypt(
  password: Uint8Array,
  { algorithm, encoded }: BcryptHash,
): Promise<boolean> {
  const text =
    algorithm === "bcrypt"
      ? new TextDecoder().decode(password)
      : hex(await crypto.subtle.digest("SHA-256", password));
  return compareSync(text, encoded);
}

function hex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
