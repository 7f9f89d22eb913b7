/** Django's salts (`django.utils.crypto.get_random_string`): random letters and digits, used as text. */
import { assert } from "../../schema/assert.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** 22 of 62 characters are 131 bits: Django's figure for at least 128 (`salt_entropy`). */
export const SALT_LENGTH = 22;

/** The largest multiple of 62 in a byte: a byte from here on would favour the first characters, and is left out. */
const FAIR_BELOW = 256 - (256 % ALPHABET.length);

/** One byte in 32 is left out; that 64 bytes do not leave 22 has odds of less than 1 in 10^48. */
const BYTES_DRAWN = 64;

/** A new salt of 22 characters, each of the 62 equally likely. `randomBytes` gives so many random bytes. */
export function saltText(randomBytes: (length: number) => Uint8Array): string {
  const fair = Array.from(randomBytes(BYTES_DRAWN)).filter((byte) => byte < FAIR_BELOW);
  assert(fair.length >= SALT_LENGTH, "the source of random bytes is random");
  return fair
    .slice(0, SALT_LENGTH)
    .map((byte) => ALPHABET.charAt(byte % ALPHABET.length))
    .join("");
}
