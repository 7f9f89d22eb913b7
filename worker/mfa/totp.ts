/** Time-based one-time passwords (RFC 6238): six digits, SHA-1, 30 seconds, which every authenticator knows. */
import { Secret, TOTP } from "otpauth";
import { STEP_SECONDS, STEP_WINDOW } from "../../schema/mfa.ts";
import type { NumericDate } from "../../schema/time.ts";
import { randomBytes } from "../entropy.ts";

/** RFC 4226 §4, R6: 160 bits are recommended. */
const SECRET_BYTES = 20;
const DIGITS = 6;
const CODE = /^[0-9]{6}$/;

export function newTotpSecret(): Uint8Array {
  return randomBytes(SECRET_BYTES);
}

/** How an authenticator takes a secret: in base32, and as the link behind a QR code. */
export function shownSecret(
  bytes: Uint8Array,
  names: { issuer: string; account: string },
): { secret: string; otpauth_url: string } {
  const totp = totpOf(bytes, names);
  return { secret: totp.secret.base32, otpauth_url: totp.toString() };
}

/**
 * The time step that a code is of, or null if it is of none in the window (RFC 6238 §5.2). Spaces
 * count for nothing: authenticators show them. Whether the step was used before, the user's object
 * says.
 */
export function stepOfCode(bytes: Uint8Array, typed: string, now: NumericDate): number | null {
  const code = typed.replaceAll(/\s/g, "");
  if (!CODE.test(code)) return null;
  const timestamp = now * 1000;
  const delta = totpOf(bytes, { issuer: "", account: "" }).validate({
    token: code,
    timestamp,
    window: STEP_WINDOW,
  });
  return delta === null ? null : Math.floor(now / STEP_SECONDS) + delta;
}

function totpOf(bytes: Uint8Array, { issuer, account }: { issuer: string; account: string }): TOTP {
  const secret = new Secret({ buffer: Uint8Array.from(bytes).buffer });
  return new TOTP({
    issuer,
    label: account,
    secret,
    algorithm: "SHA1",
    digits: DIGITS,
    period: STEP_SECONDS,
  });
}
