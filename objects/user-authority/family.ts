/**
 * A session as the object holds it: a family with one line of descent (RFC 9700 §4.14.2).
 * This file owns its shape and the questions that every command asks of it. Pure.
 */
import type { ClientView } from "../../schema/audit-events.ts";
import type { SessionId, TokenId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { EndReason, SessionGrant, UserState } from "../../schema/user-authority.ts";

/** The user, as last heard of, and the epoch that ends every older session and token. */
export type Account = { user: UserState; epoch: number };

export type Family = {
  sid: SessionId;
  /** The account's epoch when the family began. */
  epoch: number;
  generation: number;
  tokenId: TokenId;
  issuedAt: NumericDate;
  /** Idle expiry, and `exp` of the newest refresh token. */
  expiresAt: NumericDate;
  previous: { tokenId: TokenId; replacedAtMs: number } | null;
  clientKey: string;
  createdAt: NumericDate;
  absoluteExpiresAt: NumericDate;
  authTime: NumericDate;
  amr: string[];
  client: ClientView;
  deviceName: string | null;
  ended: { at: NumericDate; reason: EndReason } | null;
};

/** The numbers that decide; durations in seconds. */
export type SessionPolicy = {
  refreshTokenTtlSeconds: number;
  sessionMaxAgeSeconds: number;
  refreshGraceSeconds: number;
  refreshGraceSameClientSeconds: number;
  sessionsPerUserMax: number;
  accessTokenTtlSeconds: number;
};

/** True while the family's newest token is good: not ended, not outdated by an epoch, not expired. */
export function isLive(family: Family, account: Account, now: NumericDate): boolean {
  return family.ended === null && family.epoch >= account.epoch && now < family.expiresAt;
}

/** When a token issued now idles out: never past the family's absolute end (REF-08). */
export function idleExpiry(
  absoluteExpiresAt: NumericDate,
  now: NumericDate,
  policy: SessionPolicy,
): NumericDate {
  return Math.min(now + policy.refreshTokenTtlSeconds, absoluteExpiresAt);
}

/** What the edge signs for this family. The same row always gives the same refresh token. */
export function grantOf(family: Family, account: Account, now: NumericDate): SessionGrant {
  return {
    sid: family.sid,
    refresh: {
      tokenId: family.tokenId,
      generation: family.generation,
      iat: family.issuedAt,
      exp: family.expiresAt,
    },
    absoluteExpiresAt: family.absoluteExpiresAt,
    authTime: family.authTime,
    amr: family.amr,
    epoch: account.epoch,
    user: account.user,
    now,
  };
}
