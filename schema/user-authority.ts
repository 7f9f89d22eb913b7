/**
 * The contract of `UserAuthority`: what the edge may ask of a user's object, and every answer.
 * A refusal is a value; a throw is a bug or an outage. All times are NumericDate seconds.
 */
import type { ClientView } from "./audit-events.ts";
import type { RefreshTokenName, Role } from "./claims.ts";
import type { SessionId, TokenId, UserId } from "./ids.ts";
import type { Reservation, Wish } from "./limits.ts";
import type { Attempt, ReserveAnswer, ReserveAttempt, SettleAttempt } from "./lockout.ts";
import type { MailAnswer, MailOrder } from "./mail.ts";
import type { CodeUse, SpendCode, SpendCodeAnswer } from "./mfa.ts";
import type { Denial } from "./revocation.ts";
import type { NumericDate } from "./time.ts";

/**
 * What tokens and decisions need to know of a user. `version` grows with each change in D1, so
 * that the object keeps the newest state, whatever order news arrives in.
 */
export type UserState = {
  id: UserId;
  username: string;
  email: string | null;
  role: Role;
  isActive: boolean;
  version: number;
};

/**
 * Where a request comes from, as it is kept with the session and shown to its owner. `actor` is an
 * admin (`user:<id>`) or the `operator`; unset: the user, or nobody known.
 */
export type Origin = { client: ClientView; requestId: string; actor?: string };

/** The global epoch as the edge knows it: families begun before it have ended. 0: none ever. */
export type Era = { revokedBefore: NumericDate };

/** The session that an authentic token speaks for; `ep` is null for a refresh token, which has none. */
export type Bearer = Era & { sid: SessionId; ep: number | null };

/** Everything that the edge needs to sign a token pair; nothing of it is secret. */
export type SessionGrant = {
  sid: SessionId;
  refresh: RefreshTokenName & { iat: NumericDate; exp: NumericDate };
  createdAt: NumericDate;
  absoluteExpiresAt: NumericDate;
  authTime: NumericDate;
  amr: string[];
  epoch: number;
  user: UserState;
  now: NumericDate;
};

export type OpenSession = Origin &
  Era & {
    user: UserState;
    sid: SessionId;
    tokenId: TokenId;
    clientKey: string;
    deviceName: string | null;
    amr: string[];
    /** The reserved attempt that the credentials prove a success; null for a new account. */
    attempt: Attempt | null;
    /** The code that the session uses up, where one was asked for. */
    code: CodeUse | null;
    /** To be sent with it: to a new account, or a notice of how it was signed in to. */
    mail?: MailOrder;
  };
export type OpenSessionAnswer =
  | { kind: "opened"; grant: SessionGrant; denial: Denial | null }
  | { kind: "denied"; reason: "inactive" | "stale" | "spent" };

/**
 * What Django gave a user and now opens a session here, once. `name` is a keyed hash of what
 * identifies it; it is remembered until `expiresAt`.
 */
export type DjangoCredential = {
  kind: "token" | "session";
  name: TokenId;
  issuedAt: NumericDate;
  expiresAt: NumericDate;
};
export type Adopt = OpenSession & { credential: DjangoCredential };
export type AdoptAnswer =
  | { kind: "opened" | "repeated"; grant: SessionGrant; denial: Denial | null }
  | { kind: "denied"; reason: "inactive" | "stale" | "revoked" | "reused"; denial: Denial | null };

export type Refresh = Origin &
  Era & {
    sid: SessionId;
    presented: RefreshTokenName;
    /** The `tokenId` of the successor, should there be one. */
    successor: TokenId;
    clientKey: string;
    /** How many presentations of this family its location is waiting for, this one included. */
    inFlight: number;
  };
export type RefreshAnswer =
  | { kind: "rotated" | "repeated"; grant: SessionGrant }
  | { kind: "denied"; reason: "revoked" | "reused"; denial: Denial | null };

export type RevocationScope = { kind: "all" } | { kind: "others" } | { kind: "one"; sid: SessionId };
/**
 * `by`: the session that asks for its own user; null: an admin. `note` is the admin's own words.
 * `user`: whose sessions they are, should the object have to remember their end without knowing them.
 */
export type Revoke = Origin &
  Era & {
    by: Bearer | null;
    scope: RevocationScope;
    reason: EndReason;
    note: string | null;
    user?: UserState;
  };
export type RevokeAnswer =
  /** `revoked`: sessions that were live. `isMoot`: there was nothing to end, not even a token. */
  | { kind: "revoked"; revoked: number; isMoot: boolean; epoch: number; at: NumericDate; denial: Denial }
  | { kind: "denied"; reason: "revoked" | "unknown" };

/**
 * News of a change that D1 has made, from whoever made it. The newest `user` is kept, by `version`.
 * `sessions`: `keep`, they live on, access tokens too; `distrust`, every access token made so far is
 * dead, and sessions refresh to new ones; `end_others`, all but `by`'s end; `end`, all end. Who is
 * inactive has none, whatever is asked. Telling it again is harmless, and what was told is durable.
 */
export type HearOfUser = Origin &
  Era & {
    user: UserState;
    sessions: "keep" | "distrust" | "end_others" | "end";
    by: Bearer | null;
    reason: EndReason;
    note: string | null;
  };
export type HearOfUserAnswer = {
  kind: "heard";
  revoked: number;
  epoch: number;
  at: NumericDate;
  denial: Denial;
};

/**
 * A change of password, e-mail or second factor that D1 is about to make, told before it is tried, so that whatever
 * dies in between, the object looks for it. `version` is the user's before the change. Once D1 has
 * made it: what becomes of the sessions, whether lockouts end, and what the owner is told by mail.
 */
export type Change = Omit<HearOfUser, "user"> & {
  id: TokenId;
  userId: UserId;
  version: number;
  type: "password_reset" | "password_changed" | "email_changed" | "mfa_enabled" | "mfa_disabled";
  unlocks: boolean;
  mails: MailOrder[];
};
/** `stale`: the user has changed since, and D1 would refuse it. */
export type BeginAnswer = { kind: "begun" } | { kind: "stale" };
/** D1 has made the change, and this is the user now. */
export type EndChange = Origin & Era & { id: TokenId; user: UserState };

export type ConfirmAnswer =
  /** `newest`: the family's newest refresh token. */
  | { kind: "confirmed"; user: UserState; epoch: number; newest: TokenId }
  | { kind: "denied"; reason: "revoked" };

/** `rule` is the user's own limit; `want` requests of it are asked for. */
export type Lease = Wish & { by: Bearer };
/** Good for `RESERVATION_MS` from when it was asked for: what is denied, and how much may be spent. */
export type LeaseAnswer =
  | { kind: "leased"; denial: Denial; reservation: Reservation }
  | { kind: "denied"; reason: "revoked" };

/** What Django gave the user asks, which is of no session here; whether the user is active D1 has said. */
export type DjangoLease = Wish & Era;
export type DjangoLeaseAnswer =
  /** `endedAt`: what Django gave then or before is dead. Good until `epoch` is known to have moved, too. */
  | { kind: "leased"; epoch: number; endedAt: NumericDate; reservation: Reservation }
  | { kind: "denied"; reason: "revoked" };

export type SessionView = {
  sid: SessionId;
  createdAt: NumericDate;
  lastUsedAt: NumericDate;
  expiresAt: NumericDate;
  client: ClientView;
  deviceName: string | null;
  amr: string[];
};
export type ListSessionsAnswer =
  | { kind: "sessions"; sessions: SessionView[] }
  | { kind: "denied"; reason: "revoked" };

/** What was seen of a reuse, so that its owner and support can be told why a session ended. */
export type ReuseVerdict = {
  /** How many rotations behind the newest token the presented one was; 1 is the one just replaced. */
  generationGap: number;
  /** Seconds since the last rotation. */
  ageSeconds: number;
  addressChanged: boolean;
  userAgentChanged: boolean;
  inFlight: number;
};

export type TimelineEvent =
  | { type: "began"; at: NumericDate; amr: string[] }
  | { type: "refreshed"; at: NumericDate; clientChanged: boolean }
  | { type: "ended"; at: NumericDate; reason: TimelineReason; verdict: ReuseVerdict | null };
export type Timeline = { by: Bearer | null; sid: SessionId } & Era;
export type TimelineAnswer =
  /** `earlierRefreshes`: how many came before the refreshes that are told. */
  | { kind: "timeline"; events: TimelineEvent[]; earlierRefreshes: number }
  | { kind: "denied"; reason: "revoked" | "unknown" };

/** Of a session that has ended, the last event says so. */
/** `earlierRefreshes`: how many came before the refreshes that are told. */
export type SessionHistory = SessionView & { events: TimelineEvent[]; earlierRefreshes: number };
export type SessionHistoriesAnswer =
  | { kind: "sessions"; sessions: SessionHistory[] }
  | { kind: "denied"; reason: "revoked" };

/** Why a session ended: stable codes, kept with it. */
export const END_REASONS = [
  "logout",
  "ended_by_owner",
  "ended_by_admin",
  "evicted",
  "reuse",
  "user_inactive",
  "role_changed",
  "password_reset",
  "password_changed",
  "email_changed",
] as const;
export type EndReason = (typeof END_REASONS)[number];
/** Also the ends that no command wrote down. `revoked`: by an epoch whose reason is not kept any more. */
export type TimelineReason = EndReason | "everyone_revoked" | "revoked" | "idle" | "max_age";

/** Whoever unlocks says so in `note`: an admin, or the owner by mail. */
export type Unlock = Origin & { userId: UserId; note: string };

/** The user is gone for good: ids are never reused. */
export type EraseUser = Origin & { userId: UserId };
/** Exactly one of any number of commands is answered `erased`. */
export type EraseAnswer = { kind: "erased" | "already"; denial: Denial };

export interface UserAuthorityContract {
  reserveAttempt(command: ReserveAttempt): Promise<ReserveAnswer>;
  settleAttempt(command: SettleAttempt): Promise<void>;
  /** True if there was anything to unlock. */
  unlock(command: Unlock): Promise<boolean>;
  spendCode(command: SpendCode): Promise<SpendCodeAnswer>;
  openSession(command: OpenSession): Promise<OpenSessionAnswer>;
  adopt(command: Adopt): Promise<AdoptAnswer>;
  refresh(command: Refresh): Promise<RefreshAnswer>;
  revoke(command: Revoke): Promise<RevokeAnswer>;
  hearOfUser(command: HearOfUser): Promise<HearOfUserAnswer>;
  beginChange(change: Change): Promise<BeginAnswer>;
  endChange(command: EndChange): Promise<HearOfUserAnswer>;
  orderMail(order: MailOrder): Promise<MailAnswer>;
  confirm(by: Bearer): Promise<ConfirmAnswer>;
  lease(command: Lease): Promise<LeaseAnswer>;
  leaseToDjango(command: DjangoLease): Promise<DjangoLeaseAnswer>;
  reserve(wish: Wish): Promise<Reservation>;
  listSessions(command: { by: Bearer | null } & Era): Promise<ListSessionsAnswer>;
  timeline(command: Timeline): Promise<TimelineAnswer>;
  sessionHistories(command: { by: Bearer } & Era): Promise<SessionHistoriesAnswer>;
  erase(command: EraseUser): Promise<EraseAnswer>;
}
