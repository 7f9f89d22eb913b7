/** Opening a session: a login begins a family; the cap ends the least recently used one. Pure. */
import type { NumericDate } from "../../schema/time.ts";
import type { OpenSession } from "../../schema/user-authority.ts";
import { type Account, type Family, idleExpiry, type SessionPolicy, timeIn } from "./family.ts";

export type OpenDecision =
  | { kind: "denied"; reason: "inactive" | "stale" }
  | { kind: "open"; account: Account; family: Family; evicted: Family[] };

/**
 * Decides a login whose credentials the edge has checked. `live` is most recently used first.
 * A state older than the account's is `stale`: the user changed while the password was being
 * hashed, and the edge must look again. The sid is new at each login (ASVS 7.2.4, REV-08).
 */
export function decideOpen(
  known: Account | null,
  live: readonly Family[],
  command: OpenSession,
  now: NumericDate,
  policy: SessionPolicy,
): OpenDecision {
  const user = command.user;
  if (known !== null && known.erasedAt !== null) return { kind: "denied", reason: "inactive" };
  if (known !== null && user.version < known.user.version) return { kind: "denied", reason: "stale" };
  if (!user.isActive) return { kind: "denied", reason: "inactive" };

  // An object that emptied itself begins again above every epoch that it ever gave out.
  const account: Account = {
    user,
    epoch: known?.epoch ?? now,
    revokedBefore: Math.max(known?.revokedBefore ?? 0, command.revokedBefore),
    erasedAt: null,
    epochHistory: known?.epochHistory ?? [],
  };
  const begin = timeIn(account, now);
  const absoluteExpiresAt = begin + policy.sessionMaxAgeSeconds;
  const family: Family = {
    sid: command.sid,
    epoch: account.epoch,
    generation: 0,
    tokenId: command.tokenId,
    issuedAt: begin,
    expiresAt: idleExpiry(absoluteExpiresAt, begin, policy),
    previous: null,
    clientKey: command.clientKey,
    createdAt: begin,
    absoluteExpiresAt,
    authTime: begin,
    amr: command.amr,
    client: command.client,
    deviceName: command.deviceName,
    history: [],
    ended: null,
  };
  return { kind: "open", account, family, evicted: live.slice(policy.sessionsPerUserMax - 1) };
}
