/**
 * What a decision about sessions tells the audit trail. Pure: an event's id follows from what it
 * is about, so that the same thing told twice is one row.
 */
import type { AuditEvent, EventType } from "../../schema/audit-events.ts";
import type { SettleAttempt } from "../../schema/lockout.ts";
import type { NumericDate } from "../../schema/time.ts";
import type {
  Change,
  EndReason,
  HearOfUser,
  OpenSession,
  Origin,
  ReuseVerdict,
} from "../../schema/user-authority.ts";
import type { Account, Family } from "./family.ts";
import type { Lockout } from "./lockout.ts";

const EVENT_OF: Record<EndReason, EventType> = {
  logout: "session_revoked",
  ended_by_owner: "session_revoked",
  ended_by_admin: "session_revoked",
  evicted: "session_evicted",
  reuse: "token_reuse_detected",
  user_inactive: "session_revoked",
  role_changed: "session_revoked",
  password_reset: "session_revoked",
  password_changed: "session_revoked",
  email_changed: "session_revoked",
};

const SYSTEM = "system";
/** Ends that are the user's own wish. */
const BY_OWNER: readonly EndReason[] = ["logout", "ended_by_owner"];

/** A session has ended. A family ends once, so its id and the type name the event. */
export function sessionEnded(
  family: Family,
  end: { reason: EndReason; verdict: ReuseVerdict | null },
  account: Account,
  origin: Origin,
  at: NumericDate,
): AuditEvent {
  const type = EVENT_OF[end.reason];
  return {
    ...common(account, origin, at),
    actor: origin.actor ?? (BY_OWNER.includes(end.reason) ? actorOf(account) : SYSTEM),
    id: `${family.sid}.${type}`,
    type,
    sid: family.sid,
    reason: end.reason,
    details: { ...end.verdict },
  };
}

/** All sessions of a user have ended, by an epoch that moved. `by`: the session that asked, if one did. */
export function sessionsRevoked(
  moved: Account,
  asked: { by: string | null; reason: EndReason; note: string | null },
  origin: Origin,
  at: NumericDate,
): AuditEvent {
  return {
    ...common(moved, origin, at),
    ...(asked.by === null ? {} : { actor: actorOf(moved) }),
    id: `${moved.user.id}.sessions_revoked.${moved.epoch}`,
    type: "sessions_revoked",
    sid: asked.by,
    reason: asked.reason,
    details: { note: asked.note },
  };
}

/** Every access token made so far is dead, since the user changed: sessions have ended, or refresh to new ones. */
export function tokensRevoked(
  moved: Account,
  { by, reason, note, ...origin }: HearOfUser,
  doSessionsLive: boolean,
  at: NumericDate,
): AuditEvent {
  if (!doSessionsLive) return sessionsRevoked(moved, { by: by?.sid ?? null, reason, note }, origin, at);
  return {
    ...common(moved, origin, at),
    id: `${moved.user.id}.access_tokens_revoked.${moved.epoch}`,
    type: "access_tokens_revoked",
    sid: by?.sid ?? null,
    reason,
    details: { note },
  };
}

/** A replaced token was repeated within the grace, but by another client: a network change, or a thief. */
export function repeatedElsewhere(
  family: Family,
  account: Account,
  origin: Origin,
  at: NumericDate,
): AuditEvent {
  return {
    ...common(account, origin, at),
    id: `${family.sid}.refresh_repeated_elsewhere.${family.generation}`,
    type: "refresh_repeated_elsewhere",
    sid: family.sid,
    reason: null,
    details: {},
  };
}

/** The attempt that locked; without an outcome it was never settled. */
export type LockingAttempt = Omit<SettleAttempt, "outcome"> & Partial<Pick<SettleAttempt, "outcome">>;

/** Guessing has locked a track of an account, or of a name that nobody has (`userId` null). */
export function accountLocked(
  attempt: LockingAttempt,
  lockout: Lockout,
  isFinal: boolean,
  at: NumericDate,
): AuditEvent {
  const { ticket, track, userId, client, requestId, outcome } = attempt;
  const { consecutive, level } = lockout;
  const by = outcome === undefined ? "unsettled" : outcome === "wrong_code" ? "code" : "password";
  return {
    id: `${ticket}.account_locked`,
    at,
    type: "account_locked",
    userId,
    sid: null,
    reason: isFinal ? "ceiling" : "threshold",
    requestId,
    client,
    details: { track: track === "strangers" ? "strangers" : "device", by, consecutive, level },
  };
}

/** A login whose password was right failed by its code: whoever tried knows the password. */
export function mfaFailed(attempt: SettleAttempt, at: NumericDate): AuditEvent {
  const { ticket, track, userId, client, requestId } = attempt;
  return {
    id: `${ticket}.mfa_failed`,
    at,
    type: "mfa_failed",
    userId,
    sid: null,
    reason: "wrong_code",
    requestId,
    client,
    details: { track: track === "strangers" ? "strangers" : "device" },
  };
}

/** A login used up a recovery code: the second factor may be lost, or somebody has found the list. */
export function recoveryCodeUsed({ user, sid, client, requestId }: OpenSession, at: NumericDate): AuditEvent {
  return {
    id: `${sid}.recovery_code_used`,
    at,
    type: "recovery_code_used",
    userId: user.id,
    actor: `user:${user.id}`,
    sid,
    reason: null,
    requestId,
    client,
    details: {},
  };
}

/** An admin, or the owner by mail, has unlocked the account. */
export function accountUnlocked(
  command: Origin & { userId: number; note: string },
  at: NumericDate,
): AuditEvent {
  const { userId, note, client, requestId, actor } = command;
  return {
    id: `${requestId}.account_unlocked`,
    at,
    type: "account_unlocked",
    userId,
    ...(actor === undefined ? {} : { actor }),
    sid: null,
    reason: null,
    requestId,
    client,
    details: { note },
  };
}

/** What Django gave the user has opened a session here. */
export function djangoExchanged(
  family: Family,
  kind: "token" | "session",
  account: Account,
  origin: Origin,
  at: NumericDate,
): AuditEvent {
  const type = kind === "token" ? "django_token_exchanged" : "django_session_exchanged";
  const id = `${family.sid}.${type}`;
  return { ...common(account, origin, at), id, type, sid: family.sid, reason: null, details: {} };
}

/** The user is deleted. Says no more than that: the trail forgets the rest of what it knows of them. */
export function accountDeleted(
  { userId, requestId }: { userId: number; requestId: string },
  at: NumericDate,
): AuditEvent {
  return {
    id: `${userId}.account_deleted`,
    at,
    type: "account_deleted",
    userId,
    actor: `user:${userId}`, // nobody else can
    sid: null,
    reason: null,
    requestId,
    client: { ip: null, country: null, userAgent: null },
    details: {},
  };
}

/** D1 has changed what the user is proven by; a session of theirs has asked for it, or a mailed link. */
export function userChanged(change: Change, at: NumericDate): AuditEvent {
  const { id, userId, type, by, note, client, requestId } = change;
  return {
    id: `${id}.${type}`,
    at,
    type,
    userId,
    ...(by === null ? {} : { actor: `user:${userId}` }),
    sid: by?.sid ?? null,
    reason: null,
    requestId,
    client,
    details: note === null ? {} : { by: note },
  };
}

function common({ user }: Account, { client, requestId, actor }: Origin, at: NumericDate) {
  return { at, userId: user.id, client, requestId, ...(actor === undefined ? {} : { actor }) };
}

function actorOf({ user }: Account): string {
  return `user:${user.id}`;
}
