/** What a session's owner can be told of it: when it began, each refresh, and why it ended. Pure. */
import type { NumericDate } from "../../schema/time.ts";
import type { TimelineEvent } from "../../schema/user-authority.ts";
import type { Account, Family } from "./family.ts";
import { HISTORY_MAX } from "./refresh.ts";
import { EPOCH_HISTORY_MAX } from "./revoke.ts";

/**
 * The session's events, oldest first, and how many refreshes came before those that are kept (one
 * that Django's token opened counts that exchange among them).
 */
export function timelineOf(
  family: Family,
  account: Account,
  now: NumericDate,
): { events: TimelineEvent[]; earlierRefreshes: number } {
  const { createdAt, amr, generation, history } = family;
  const end = endOf(family, account, now);
  const events: TimelineEvent[] = [
    { type: "began", at: createdAt, amr },
    ...history.map((refresh) => ({ type: "refreshed" as const, ...refresh })),
    ...(end === null ? [] : [end]),
  ];
  return { events, earlierRefreshes: history.length < HISTORY_MAX ? 0 : generation - history.length };
}

/** The first of the ends that apply: written down, by either epoch, or by time. */
function endOf(family: Family, account: Account, now: NumericDate): TimelineEvent | null {
  if (family.ended !== null) return { type: "ended", ...family.ended };
  const ends: TimelineEvent[] = [];
  const { epochHistory } = account;
  const move = epochHistory.find(({ epoch }) => epoch > family.epoch);
  if (move !== undefined) {
    // The oldest of as many as are kept: an earlier one may have ended it, for a reason of its own.
    const isCertain = move !== epochHistory[0] || epochHistory.length < EPOCH_HISTORY_MAX;
    ends.push({ type: "ended", at: move.at, reason: isCertain ? move.reason : "revoked", verdict: null });
  }
  if (family.authTime < account.revokedBefore) {
    ends.push({ type: "ended", at: account.revokedBefore, reason: "everyone_revoked", verdict: null });
  }
  if (family.expiresAt <= now) {
    const reason = family.expiresAt === family.absoluteExpiresAt ? "max_age" : "idle";
    ends.push({ type: "ended", at: family.expiresAt, reason, verdict: null });
  }
  return ends.sort((one, other) => one.at - other.at)[0] ?? null;
}
