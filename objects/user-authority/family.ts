/**
 * A session as the object holds it: a family with one line of descent (RFC 9700 §4.14.2).
 * This file owns its shape and the questions that every command asks of it. Pure.
 */
import type { ClientView } from "../../schema/audit-events.ts";
import type { SessionId, TokenId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";
import type {
  Bearer,
  EndReason,
  ReuseVerdict,
  SessionGrant,
  SessionView,
  UserState,
} from "../../schema/user-authority.ts";

/**
 * The user, as last heard of, and the two numbers that end every older session and token: the
 * user's own epoch, and the moment before which everyone's sessions have ended. Both only grow.
 */
export type Account = {
  user: UserState;
  epoch: number;
  revokedBefore: NumericDate;
  /** When the user was deleted; null for one who is there. */
  erasedAt: NumericDate | null;
  /** When the epoch moved and why, the latest few, oldest first. */
  epochHistory: { epoch: number; at: NumericDate; reason: EndReason }[];
};

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
  /** The latest refreshes, oldest first. */
  history: { at: NumericDate; clientChanged: boolean }[];
  ended: { at: NumericDate; reason: EndReason; verdict: ReuseVerdict | null } | null;
};

/** The numbers that decide; durations in seconds. */
export type SessionPolicy = {
  refreshTokenTtlSeconds: number;
  sessionMaxAgeSeconds: number;
  refreshGraceSeconds: number;
  refreshGraceSameClientSeconds: number;
  sessionsPerUserMax: number;
  accessTokenTtlSeconds: number;
  /** The first token of a session goes on answering with its successor, while that is unused. */
  compatSimplejwt: boolean;
};

/**
 * True while the family's newest token is good: not ended, not outdated by either epoch, not expired.
 * The global epoch ends by `authTime`: what was proven before it must not begin after it.
 */
export function isLive(family: Family, account: Account, now: NumericDate): boolean {
  return (
    family.ended === null &&
    family.epoch >= account.epoch &&
    family.authTime >= account.revokedBefore &&
    now < family.expiresAt
  );
}

/** True if the bearer's token speaks for a session that is live, and is not older than the epoch. */
export function isConfirmed(
  by: Bearer,
  account: Account | null,
  family: Family | null,
  now: NumericDate,
): account is Account {
  return (
    account !== null &&
    family !== null &&
    family.sid === by.sid &&
    account.user.isActive &&
    isLive(family, account, now) &&
    (by.ep === null || by.ep >= account.epoch)
  );
}

/** The account with what the edge knows of the global epoch: it never falls, whoever asks. */
export function inEra(account: Account, revokedBefore: NumericDate): Account {
  return revokedBefore > account.revokedBefore ? { ...account, revokedBefore } : account;
}

/**
 * Now, or the first moment that the global epoch leaves alive: it ends whole seconds, so what
 * begins in the rest of that second is dated by its end. Never more than a second ahead.
 */
export function timeIn(account: Account, now: NumericDate): NumericDate {
  return Math.max(now, account.revokedBefore);
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
    createdAt: family.createdAt,
    absoluteExpiresAt: family.absoluteExpiresAt,
    authTime: family.authTime,
    amr: family.amr,
    epoch: account.epoch,
    user: account.user,
    now: timeIn(account, now),
  };
}

/** The session as its owner's list shows it. */
export function viewOf(family: Family): SessionView {
  const { sid, createdAt, issuedAt, expiresAt, client, deviceName, amr } = family;
  return { sid, createdAt, lastUsedAt: issuedAt, expiresAt, client, deviceName, amr };
}
