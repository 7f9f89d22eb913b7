/** Second factors (RFC 6238): what the edge and a user's object say to each other about them. No secret is among it. */
import type { TokenId } from "./ids.ts";
import type { SettleAttempt } from "./lockout.ts";
import type { NumericDate } from "./time.ts";

/** RFC 6238 §5.2: the recommended length of a time step. */
export const STEP_SECONDS = 30;
/** RFC 6238 §5.2: one step for the network, and as much for a clock that is ahead. */
export const STEP_WINDOW = 1;

/** RFC 8176 §2. A recovery code is a look-up secret (NIST SP 800-63B §3.1.2), which has no value there: only `mfa`. */
export const AMR_PASSWORD = ["pwd"];
export const AMR_TOTP = ["pwd", "otp", "mfa"];
export const AMR_RECOVERY_CODE = ["pwd", "mfa"];

/** True for a session that began with two factors. */
export function hasSecondFactor(amr: readonly string[]): boolean {
  return amr.includes("mfa");
}

/** What a right code uses up. */
export type CodeUse = {
  /** Names the secret: time steps of different secrets have nothing to do with each other. */
  enrolment: string;
  /** The time step that the code is of; null for a recovery code. */
  step: number | null;
  /** The digest of a recovery code; null for a code of a time step. */
  recovery: string | null;
  /** The `mfa_token` that it came with; null where a session asks. */
  pass: { id: TokenId; exp: NumericDate } | null;
};

/** Uses up a code outside a login, and settles the attempt with it. */
export type SpendCode = { use: CodeUse; attempt: SettleAttempt };
/** `spent`: the same code was used before; nothing changes and its attempt is not counted. */
export type SpendCodeAnswer = { kind: "accepted" } | { kind: "spent" };
