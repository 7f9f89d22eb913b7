/** Checking what a user typed against the second factor, a TOTP code or a recovery code, and using it up. */
import { AMR_RECOVERY_CODE, AMR_TOTP, type CodeUse } from "../../schema/mfa.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type AppContext, serviceOf } from "../context.ts";
import { unseal } from "../encryption.ts";
import type { Attempt } from "../guess.ts";
import type { Enrolment } from "./enrolments.ts";
import { recoveryDigest } from "./recovery-codes.ts";
import { stepOfCode } from "./totp.ts";

/** A right code, which is still to be used up in the user's object. */
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
  const step = stepOfCode(secret, typed, c.get("facts").now);
  return step === null ? null : { kind: "totp", step, amr: AMR_TOTP };
}

/** What the code uses up, in the object's words. */
export function useOf(
  { enrolment }: Pick<Enrolment, "enrolment">,
  proven: ProvenCode,
  pass: CodeUse["pass"],
): CodeUse {
  return proven.kind === "totp"
    ? { enrolment, step: proven.step, recovery: null, pass }
    : { enrolment, step: null, recovery: proven.digest, pass };
}

/** Uses up a code that a session asks with, and settles its attempt; false if it was used before, which is no guess. */
export async function spendCode(
  c: AppContext,
  enrolment: Enrolment,
  proven: ProvenCode,
  attempt: Attempt & { outcome: "success" | "not_tried" },
): Promise<boolean> {
  const { userId } = enrolment;
  const { client, requestId } = c.get("facts");
  const use = useOf(enrolment, proven, null);
  const command = { use, attempt: { ...attempt, userId, client, requestId } };
  const answer = await reach("user_authority", () => userAuthority(c.env, userId).spendCode(command));
  return answer.kind === "accepted";
}
