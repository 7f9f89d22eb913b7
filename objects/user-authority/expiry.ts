/** What the alarm may forget, and when it must look again. Pure. */
import type { SessionId } from "../../schema/ids.ts";
import type { Legacy } from "../../schema/legacy.ts";
import { denialTtlSeconds } from "../../schema/revocation.ts";
import type { NumericDate } from "../../schema/time.ts";
import { TOMBSTONE_SECONDS } from "./deletion.ts";
import type { Account, Family } from "./family.ts";

export type ExpiryDecision = {
  forget: SessionId[];
  /** When something kept can be forgotten, or null if nothing is worth keeping the object for. */
  nextAt: NumericDate | null;
};

/**
 * A family is kept until its newest token has expired, ended or not, since until then a replay must
 * still be told apart from a forgery; and for as long as an access token of it may be alive, since
 * until then it can still be revoked, or KV must go on denying it. So is an account whose epoch or
 * state changed, which is longer than any login that read the older state can take. `others`: until
 * when the object is needed for other reasons.
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
  for (const family of families) {
    const until = keptUntil(family, accessTokenTtlSeconds);
    if (until <= now) forget.push(family.sid);
    else due.push(until);
  }
  const ahead = due.filter((at) => at > now);
  return { forget, nextAt: ahead.length === 0 ? null : Math.min(...ahead) };
}

/** Until when a family is kept: the last access token of one that is not ended may be as old as its idle end. */
export function keptUntil(
  { expiresAt, ended }: Pick<Family, "expiresAt" | "ended">,
  accessTokenTtlSeconds: number,
): NumericDate {
  const denialTtl = denialTtlSeconds(accessTokenTtlSeconds);
  return ended === null ? expiresAt + denialTtl : Math.max(expiresAt, ended.at + denialTtl);
}

/**
 * What else an object is needed for, and until when: a tombstone; what Django gave, until
 * `adoptedUntil`; and, while Django's tokens are good, that the user's sessions were ended.
 */
export function otherNeeds(
  account: Account | null,
  adoptedUntil: NumericDate | null,
  legacy: Legacy | null,
): NumericDate[] {
  const wasEnded = account !== null && account.epochHistory.length > 0;
  return [
    ...(account === null || account.erasedAt === null ? [] : [account.erasedAt + TOMBSTONE_SECONDS]),
    ...(adoptedUntil === null ? [] : [adoptedUntil]),
    ...(wasEnded && legacy !== null ? [legacy.endsAt] : []),
  ];
}
