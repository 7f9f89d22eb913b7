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

/** True if the denial names this token's session or outdates its epoch. */
export function isDenied(denial: Denial | null, token: { ep: number; sid: SessionId }): boolean {
  return denial !== null && (token.ep < denial.epoch || Object.hasOwn(denial.sids, token.sid));
}

/** What either of two denials says, and for as long: neither ever takes anything back (REV-07). */
export function mergeDenials(one: Denial | null, other: Denial | null): Denial | null {
  if (one === null || other === null) return one ?? other;
  const sids = { ...one.sids };
  for (const [sid, until] of Object.entries(other.sids)) sids[sid] = Math.max(sids[sid] ?? 0, until);
  return { epoch: Math.max(one.epoch, other.epoch), sids };
}
