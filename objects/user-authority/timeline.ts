/** What a session's owner can be told of it: when it began, each refresh, and why it ended. Pure. */
import type { NumericDate } from "../../schema/time.ts";
import type { TimelineEvent } from "../../schema/user-authority.ts";
import type { Account, Family } from "./family.ts";

/** The session's events, oldest first. The latest refreshes only: `HISTORY_MAX` of them are kept. */
export function timelineOf(family: Family, account: Account, now: NumericDate): TimelineEvent[] {
  const end = endOf(family, account, now);
  return [
    { type: "began", at: family.createdAt, amr: family.amr },
    ...family.history.map((refresh) => ({ type: "refreshed" as const, ...refresh })),
    ...(end === null ? [] : [end]),
  ];
}

/** The first of the ends that apply: written down, by either epoch, or by time. */
function endOf(family: Family, account: Account, now: NumericDate): TimelineEvent | null {
  if (family.ended !== null) return { type: "ended", ...family.ended };
  const ends: TimelineEvent[] = [];
  const move = account.epochHistory.find(({ epoch }) => epoch > family.epoch);
  if (move !== undefined) ends.push({ type: "ended", at: move.at, reason: move.reason, verdict: null });
  if (family.createdAt < account.revokedBefore) {
    ends.push({ type: "ended", at: account.revokedBefore, reason: "everyone_revoked", verdict: null });
  }
  if (family.expiresAt <= now) {
    const reason = family.expiresAt === family.absoluteExpiresAt ? "max_age" : "idle";
    ends.push({ type: "ended", at: family.expiresAt, reason, verdict: null });
  }
  return ends.sort((one, other) => one.at - other.at)[0] ?? null;
}
