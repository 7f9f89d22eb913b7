/**
 * What really happened, kept from commands and answers alone and never from the object's rows:
 * every token that was ever answered, whose child it is, and why a session is over. From it
 * follows what the next presentation must be answered (contract §5).
 */
import type { SessionPolicy } from "../../objects/user-authority/family.ts";
import type { RefreshTokenName } from "../../schema/claims.ts";
import type { SessionId, TokenId } from "../../schema/ids.ts";
import { type NumericDate, toNumericDate } from "../../schema/time.ts";
import type { SessionGrant } from "../../schema/user-authority.ts";

export type Token = RefreshTokenName & { sid: SessionId; iat: NumericDate; exp: NumericDate };
export type Party = "owner" | "thief";

/** What the contract wants for one presentation. */
export type Verdict = "rotate" | "repeat" | "reuse" | "inactive" | "over";

export type Cause = "logout" | "evicted" | "reuse" | "inactive" | "everyone" | "forgotten";

export type TokenRecord = {
  token: Token;
  parent: TokenRecord | null;
  child: TokenRecord | null;
  replaced: { atMs: number; clientKey: string } | null;
};

export type FamilyRecord = {
  sid: SessionId;
  createdAt: NumericDate;
  absoluteExpiresAt: NumericDate;
  head: TokenRecord;
  tokens: Map<TokenId, TokenRecord>;
  over: Cause | null;
  /** How often each party presented a token of it. */
  uses: Record<Party, number>;
};

export function tokenOf({ sid, refresh }: SessionGrant): Token {
  return { sid, ...refresh };
}

/** Equal in everything that is signed: equal byte for byte. */
export function isSameToken(one: Token, other: Token): boolean {
  return (
    one.sid === other.sid &&
    one.tokenId === other.tokenId &&
    one.generation === other.generation &&
    one.iat === other.iat &&
    one.exp === other.exp
  );
}

/** Short enough for a trace: `12.3` is the third generation after token number 12. */
export function name({ tokenId, generation }: Token): string {
  return `${tokenId.slice(-13).replace(/^0+/, "")}.${generation}`;
}

export class Ledger {
  readonly families = new Map<SessionId, FamilyRecord>();
  readonly #policy: SessionPolicy;
  /** As the object last heard. */
  isActive = true;
  /** The highest that was ever seen. */
  epoch: number | null = null;

  constructor(policy: SessionPolicy) {
    this.#policy = policy;
  }

  verdictOn(token: Token, clientKey: string, nowMs: number): Verdict {
    const family = this.families.get(token.sid);
    if (family === undefined || !this.isLive(family, nowMs)) return "over";
    if (!this.isActive) return "inactive";
    if (token.tokenId === family.head.token.tokenId) return "rotate";
    const parent = family.head.parent;
    if (parent?.replaced && token.tokenId === parent.token.tokenId) {
      const grace = this.graceMs(clientKey === parent.replaced.clientKey);
      // Contract §9: a session's first token, for clients that store no other.
      const isKept = this.#policy.compatSimplejwt && parent.parent === null;
      if (isKept || nowMs <= parent.replaced.atMs + grace) return "repeat";
    }
    return "reuse";
  }

  isLive(family: FamilyRecord, nowMs: number): boolean {
    return family.over === null && toNumericDate(nowMs) < family.head.token.exp;
  }

  graceMs(isSameClient: boolean): number {
    const { refreshGraceSeconds, refreshGraceSameClientSeconds } = this.#policy;
    const seconds = isSameClient
      ? Math.max(refreshGraceSeconds, refreshGraceSameClientSeconds)
      : refreshGraceSeconds;
    return seconds * 1000;
  }

  opened(grant: SessionGrant): FamilyRecord {
    const head: TokenRecord = { token: tokenOf(grant), parent: null, child: null, replaced: null };
    const family: FamilyRecord = {
      sid: grant.sid,
      createdAt: grant.createdAt,
      absoluteExpiresAt: grant.absoluteExpiresAt,
      head,
      tokens: new Map([[head.token.tokenId, head]]),
      over: null,
      uses: { owner: 0, thief: 0 },
    };
    this.families.set(grant.sid, family);
    return family;
  }

  rotated(record: TokenRecord, family: FamilyRecord, grant: SessionGrant, by: string, nowMs: number): void {
    const child: TokenRecord = { token: tokenOf(grant), parent: record, child: null, replaced: null };
    record.child = child;
    record.replaced = { atMs: nowMs, clientKey: by };
    family.head = child;
    family.tokens.set(child.token.tokenId, child);
  }

  /** The object has heard of the global epoch: whatever began before it is over, for good. */
  heard(revokedBefore: NumericDate): void {
    for (const family of this.families.values()) {
      if (family.createdAt < revokedBefore) this.end(family, "everyone");
    }
  }

  end(family: FamilyRecord, cause: Cause): void {
    family.over ??= cause;
  }
}
