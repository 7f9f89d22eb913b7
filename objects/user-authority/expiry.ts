/** What the alarm may forget, and when it must look again. Pure. */
import type { SessionId } from "../../schema/ids.ts";
import { denialTtlSeconds } from "../../schema/revocation.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { Family } from "./family.ts";

export type ExpiryDecision = {
  forget: SessionId[];
  /** When something kept can be forgotten, or null if nothing is worth keeping the object for. */
  nextAt: NumericDate | null;
};

/**
 * A family is kept until its newest token has expired, ended or not: until then a replay must
 * still be told apart from a forgery. A family that ended, and an account whose epoch or state
 * changed, are also kept for as long as KV must go on denying the access tokens made before; that
 * is longer than any login which read the older state can take. `others`: until when the object is
 * needed for other reasons.
 */
export function decideExpiry(
  families: readonly Pick<Family, "sid" | "expiresAt" | "ended">[],
  changedAt: NumericDate,
  now: NumericDate,
  accessTokenTtlSeconds: number,
  others: readonly NumericDate[] = [],
): ExpiryDecision {
  const denialTtl = denialTtlSeconds(accessTokenTtlSeconds);
  const forget: SessionId[] = [];
  const due = [changedAt + denialTtl, ...others];
  for (const { sid, expiresAt, ended } of families) {
    const keptUntil = ended === null ? expiresAt : Math.max(expiresAt, ended.at + denialTtl);
    if (keptUntil <= now) forget.push(sid);
    else due.push(keptUntil);
  }
  const ahead = due.filter((at) => at > now);
  return { forget, nextAt: ahead.length === 0 ? null : Math.min(...ahead) };
}
