/** Checking what a user typed against the second factor: a TOTP code or a recovery code. */
import { AMR_RECOVERY_CODE, AMR_TOTP } from "../../schema/mfa.ts";
import { type AppContext, serviceOf } from "../context.ts";
import { unseal } from "../encryption.ts";
import type { Enrolment } from "./enrolments.ts";
import { recoveryDigest } from "./recovery-codes.ts";
import { stepOfCode } from "./totp.ts";

/** A right code, which is still to be used up: a time step in the user's object, a digest in D1. */
export type ProvenCode =
  | { kind: "totp"; step: number; amr: string[] }
  | { kind: "recovery"; digest: string; amr: string[] };

/** What the ciphertext of a secret is bound to. */
export function contextOf({ userId, enrolment }: Pick<Enrolment, "userId" | "enrolment">): string {
  return `totp:${userId}:${enrolment}`;
}

/** The code that was typed, if it is one of this enrolment's; null for every way to be wrong. */
export async function proveCode(
  c: AppContext,
  enrolment: Enrolment,
  typed: string,
): Promise<ProvenCode | null> {
  const digest = await recoveryDigest(typed);
  if (digest !== null) {
    return enrolment.recoveryDigests.includes(digest)
      ? { kind: "recovery", digest, amr: AMR_RECOVERY_CODE }
      : null;
  }
  const secret = await unseal(serviceOf(c).config, enrolment, contextOf(enrolment));
  const step = stepOfCode(secret, typed, c.var.facts.now);
  return step === null ? null : { kind: "totp", step, amr: AMR_TOTP };
}
