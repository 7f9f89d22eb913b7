/**
 * The contract of `UserAuthority`: what the edge may ask of a user's object, and every answer.
 * A refusal is a value; a throw is a bug or an outage. All times are NumericDate seconds.
 */
import type { ClientView } from "./audit-events.ts";
import type { RefreshTokenName, Role } from "./claims.ts";
import type { SessionId, TokenId, UserId } from "./ids.ts";
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

/** Who asks and from where, as it is kept with the session and shown to its owner. */
export type Origin = { client: ClientView; requestId: string };

/** The session that an authentic token speaks for; `ep` is null for a refresh token, which has none. */
export type Bearer = { sid: SessionId; ep: number | null };

/** Everything that the edge needs to sign a token pair; nothing of it is secret. */
export type SessionGrant = {
  sid: SessionId;
  refresh: RefreshTokenName & { iat: NumericDate; exp: NumericDate };
  absoluteExpiresAt: NumericDate;
  authTime: NumericDate;
  amr: string[];
  epoch: number;
  user: UserState;
  now: NumericDate;
};

export type OpenSession = Origin & {
  user: UserState;
  sid: SessionId;
  tokenId: TokenId;
  clientKey: string;
  deviceName: string | null;
  amr: string[];
};
export type OpenSessionAnswer =
  | { kind: "opened"; grant: SessionGrant; denial: Denial | null }
  | { kind: "denied"; reason: "inactive" | "stale" };

export type Refresh = Origin & {
  sid: SessionId;
  presented: RefreshTokenName;
  /** The `tokenId` of the successor, should there be one. */
  successor: TokenId;
  clientKey: string;
};
export type RefreshAnswer =
  | { kind: "rotated" | "repeated"; grant: SessionGrant }
  | { kind: "denied"; reason: "revoked" | "reused"; denial: Denial | null };

export type RevocationScope = { kind: "all" } | { kind: "others" } | { kind: "one"; sid: SessionId };
export type Revoke = Origin & { by: Bearer; scope: RevocationScope; reason: EndReason };
export type RevokeAnswer =
  | { kind: "revoked"; revoked: number; epoch: number; at: NumericDate; denial: Denial }
  | { kind: "denied"; reason: "revoked" | "unknown" };

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

/** Why a session ended: stable codes, kept with it. */
export const END_REASONS = ["logout", "ended_by_owner", "evicted", "reuse", "user_inactive"] as const;
export type EndReason = (typeof END_REASONS)[number];

export interface UserAuthorityContract {
  openSession(command: OpenSession): Promise<OpenSessionAnswer>;
  refresh(command: Refresh): Promise<RefreshAnswer>;
  revoke(command: Revoke): Promise<RevokeAnswer>;
  listSessions(by: Bearer): Promise<ListSessionsAnswer>;
}
