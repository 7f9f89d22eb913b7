/**
 * The strict compact form (RFC 7515 §7.1, RFC 8725 §3), checked before any library parses it: so
 * that one token has one spelling, and what is revoked in one is revoked in all (TOK-06, TOK-07). Pure.
 */
const TOKEN_LENGTH_MAX = 8192;
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** True for three non-empty parts of canonical base64url, at most 8 KiB together. */
export function isCompactJws(token: string): boolean {
  if (token.length > TOKEN_LENGTH_MAX) return false;
  const parts = COMPACT.exec(token);
  return parts?.slice(1).every(isCanonical) ?? false;
}

/** The unused low bits of the last character must be zero (RFC 4648 §3.5). */
function isCanonical(part: string): boolean {
  const unusedBits = [0, null, 4, 2][part.length % 4] ?? null;
  if (unusedBits === null) return false;
  return ALPHABET.indexOf(part.at(-1) ?? "") % 2 ** unusedBits === 0;
}
