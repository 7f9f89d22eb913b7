/**
 * The KV read cache of revocations: one key per user, `revoked:<user id>`, whose value can only
 * ever say *denied*. Its one writer is that user's outbox; a miss grants nothing by itself.
 */
import { z } from "zod";
import type { SessionId, UserId } from "./ids.ts";
import type { NumericDate } from "./time.ts";

/** KV refuses a shorter `expirationTtl` (platform limit). */
export const KV_TTL_SECONDS_MIN = 60;
/** Outlives every token that it denies, also when an edge's clock lags. */
const KV_TTL_SLACK_SECONDS = 60;

/** Tokens of `sids`, and every token whose epoch is lower than `epoch`, are dead. */
export type Denial = { epoch: number; sids: Record<string, NumericDate> };

export const denialSchema = z.object({
  epoch: z.int().nonnegative(),
  sids: z.record(z.string(), z.int().nonnegative()),
});

/** The KV key under which the global epoch's object says what it says to everyone: `{ before }`. */
export const GLOBAL_REVOCATION_KEY = "revoked:*";

/** The KV key of a user's denial. */
export function revocationKey(userId: UserId): string {
  return `revoked:${userId}`;
}

/** How long the KV value must live, in seconds: as long as any access token made before it. */
export function denialTtlSeconds(accessTokenTtlSeconds: number): number {
  return Math.max(KV_TTL_SECONDS_MIN, accessTokenTtlSeconds + KV_TTL_SLACK_SECONDS);
}

/**
 * True if everyone was revoked after this token's user was authenticated. `iat` alone would not do:
 * an edge that has not heard of it yet refreshes an old session to a token that is newer.
 */
export function isOfEarlierEra(
  { iat, auth_time }: { iat: NumericDate; auth_time: NumericDate },
  revokedBefore: NumericDate,
): boolean {
  return Math.min(iat, auth_time) < revokedBefore;
}

/** True if the denial names this token's session or outdates its epoch. */
export function isDenied(denial: Denial | null, token: { ep: number; sid: SessionId }): boolean {
  return denial !== null && (token.ep < denial.epoch || Object.hasOwn(denial.sids, token.sid));
}

/**
 * What either of two denials says, and for as long: neither ever takes anything back (REV-07). A
 * session whose last token has expired by `now` is not named any more, so that what an edge holds of
 * one user stays small.
 */
export function mergeDenials(one: Denial | null, other: Denial | null, now: NumericDate): Denial | null {
  if (one === null && other === null) return null;
  const sids: Denial["sids"] = {};
  for (const [sid, until] of [...Object.entries(one?.sids ?? {}), ...Object.entries(other?.sids ?? {})]) {
    if (until > now) sids[sid] = Math.max(sids[sid] ?? 0, until);
  }
  return { epoch: Math.max(one?.epoch ?? 0, other?.epoch ?? 0), sids };
}
