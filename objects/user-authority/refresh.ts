/**
 * The family state machine (RFC 9700 §4.14.2, contract §5). Pure: every race of tabs, retries and
 * thieves has already become an order of calls when it arrives here.
 */
import { assert } from "../../schema/assert.ts";
import type { ClientView } from "../../schema/audit-events.ts";
import type { RefreshTokenName } from "../../schema/claims.ts";
import type { TokenId } from "../../schema/ids.ts";
import { toNumericDate } from "../../schema/time.ts";
import type { ReuseVerdict } from "../../schema/user-authority.ts";
import { type Account, type Family, idleExpiry, isLive, type SessionPolicy, timeIn } from "./family.ts";

/** Refreshes that a session's timeline still shows. */
export const HISTORY_MAX = 50;

export type RefreshInput = {
  presented: RefreshTokenName;
  successor: TokenId;
  clientKey: string;
  client: ClientView;
  inFlight: number;
};

export type RefreshDecision =
  | { kind: "rotate"; family: Family }
  /** `elsewhere`: from another client than the one that the successor was made for. */
  | { kind: "repeat"; family: Family; elsewhere: boolean }
  | { kind: "deny"; reason: "revoked" }
  | { kind: "end"; reason: "user_inactive"; verdict: null }
  | { kind: "end"; reason: "reuse"; verdict: ReuseVerdict };

/**
 * Decides one presentation of an authentic refresh token of this family, in this order:
 * ended, expired or unknown → deny; the newest → rotate; the one just replaced, in its grace →
 * repeat with the same successor, byte for byte; any other that the family ever had → end it.
 */
export function decideRefresh(
  family: Family | null,
  account: Account | null,
  input: RefreshInput,
  nowMs: number,
  policy: SessionPolicy,
): RefreshDecision {
  const now = toNumericDate(nowMs);
  if (family === null || account === null || !isLive(family, account, now)) {
    return { kind: "deny", reason: "revoked" };
  }
  if (!account.user.isActive) return { kind: "end", reason: "user_inactive", verdict: null };

  if (input.presented.tokenId === family.tokenId) {
    const issuedAt = timeIn(account, now);
    const next: Family = {
      ...family,
      generation: family.generation + 1,
      tokenId: input.successor,
      issuedAt,
      expiresAt: idleExpiry(family.absoluteExpiresAt, issuedAt, policy),
      previous: { tokenId: family.tokenId, replacedAtMs: nowMs },
      clientKey: input.clientKey,
      client: input.client,
      history: [...family.history, { at: now, clientChanged: input.clientKey !== family.clientKey }].slice(
        -HISTORY_MAX,
      ),
    };
    assert(next.absoluteExpiresAt === family.absoluteExpiresAt, "a rotation never extends a session");
    assert(next.expiresAt <= next.absoluteExpiresAt, "a token never outlives its session");
    assert(next.tokenId !== family.tokenId, "a successor is a new token");
    return { kind: "rotate", family: next };
  }

  if (family.previous !== null && input.presented.tokenId === family.previous.tokenId) {
    const elsewhere = input.clientKey !== family.clientKey;
    const graceSeconds = elsewhere
      ? policy.refreshGraceSeconds
      : Math.max(policy.refreshGraceSeconds, policy.refreshGraceSameClientSeconds);
    const isInGrace = nowMs - family.previous.replacedAtMs <= graceSeconds * 1000;
    // A client that stores no successor: the second generation is the newest, so none was presented.
    const isFirstKept = policy.compatSimplejwt && family.generation === 1;
    if (isInGrace || isFirstKept) {
      return { kind: "repeat", family, elsewhere };
    }
  }
  return { kind: "end", reason: "reuse", verdict: verdictOn(family, input, nowMs) };
}

function verdictOn(family: Family, input: RefreshInput, nowMs: number): ReuseVerdict {
  return {
    generationGap: family.generation - input.presented.generation,
    ageSeconds: Math.max(0, toNumericDate(nowMs) - family.issuedAt),
    addressChanged: input.client.ip !== family.client.ip,
    userAgentChanged: input.client.userAgent !== family.client.userAgent,
    inFlight: input.inFlight,
  };
}
