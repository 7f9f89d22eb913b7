/** Bytes of UTF-8. The longest password that is hashed; a longer one can never have been stored. */
export const PASSWORD_BYTES_MAX = 1_024;

/**
 * A password's bytes, exactly as typed: not trimmed, folded or normalised, because Django does not either.
 * Null when it has too many of them or holds half of a surrogate pair, which has no UTF-8 (encoding it anyway
 * would make different passwords alike).
 */
export function encodePassword(password: string): Uint8Array | null {
  if (password.length > PASSWORD_BYTES_MAX || !password.isWellFormed()) return null;
  const bytes = new TextEncoder().encode(password);
  return bytes.length <= PASSWORD_BYTES_MAX ? bytes : null;
}
