/**
 * Recovery codes: look-up secrets (NIST SP 800-63B §3.1.2, ASVS 6.5.2) of 120 bits, so that a plain
 * digest of one cannot be turned back. Each is good once.
 */
import { base64url } from "jose";
import { randomBytes } from "../entropy.ts";

const COUNT = 10;
const CODE_BYTES = 15;
/** Crockford's base32: no letter that looks like a digit or like another. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE = /^[0-9A-HJKMNP-TV-Z]{24}$/;

/** Ten new codes, in six groups of four: `7Q2M-…`. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: COUNT }, () => formatted(randomBytes(CODE_BYTES)));
}

/** The digest that a typed code is kept by, whatever its case, dashes and spaces; null if it is none. */
export async function recoveryDigest(typed: string): Promise<string | null> {
  const plain = typed.replaceAll(/[\s-]/g, "").toUpperCase().replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  if (!CODE.test(plain)) return null;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(plain));
  return base64url.encode(new Uint8Array(digest));
}

function formatted(bytes: Uint8Array): string {
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  const length = (CODE_BYTES * 8) / 5;
  const letters = Array.from({ length }, (_, index) => {
    return ALPHABET.charAt(Number((bits >> BigInt(5 * (length - 1 - index))) & 31n));
  });
  return (letters.join("").match(/.{4}/g) ?? []).join("-");
}
