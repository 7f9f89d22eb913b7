/** Opening a session: a login begins a family; the cap ends the least recently used one. Pure. */
import { assert } from "../../schema/assert.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { EndReason, OpenSession } from "../../schema/user-authority.ts";
import {
  type Account,
  type Family,
  idleExpiry,
  inEra,
  isLive,
  type SessionPolicy,
  timeIn,
} from "./family.ts";
import { newAccount } from "./revoke.ts";

export type OpenDecision =
  | { kind: "denied"; reason: "inactive" | "stale" }
  | { kind: "open"; account: Account; family: Family; evicted: Family[] };

/** Ends of all sessions that somebody asked for, and no change of the user brought along. */
const REVOCATIONS: readonly EndReason[] = ["logout", "ended_by_owner", "ended_by_admin"];

/**
 * Decides a login whose credentials the edge has checked. `live` is most recently used first.
 * A state older than the account's is `stale`: the user changed while the password was being
 * hashed, and the edge must look again; so is an attempt that was reserved before sessions were
 * revoked, for its session would outlive that. The sid is new at each login (ASVS 7.2.4, REV-08).
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

  const account = inEra({ ...(known ?? newAccount(user, command, now, null)), user }, command.revokedBefore);
  if (isOvertaken(account, command.attempt)) return { kind: "denied", reason: "stale" };
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
    authTime: Math.min(begin, command.attempt?.at ?? begin),
    amr: command.amr,
    client: command.client,
    deviceName: command.deviceName,
    history: [],
    ended: null,
  };
  assert(isLive(family, account, begin), "what begins is live");
  return { kind: "open", account, family, evicted: live.slice(policy.sessionsPerUserMax - 1) };
}

/**
 * Whether sessions were revoked after the attempt was reserved. By the epoch, which is exact; the
 * global one ends whole seconds. A move that came of a change of the user is no matter here: who
 * read them before it is stale by their version, who read them after it begins after it.
 */
function isOvertaken({ epochHistory, revokedBefore }: Account, attempt: OpenSession["attempt"]): boolean {
  if (attempt === null) return false;
  const isAfter = ({ epoch, reason }: Account["epochHistory"][number]) =>
    epoch > attempt.epoch && REVOCATIONS.includes(reason);
  return attempt.at < revokedBefore || epochHistory.some(isAfter);
}
