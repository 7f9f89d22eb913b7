/**
 * Hearing of a change to the user that D1 has made: the newest state is kept, whatever order news
 * arrives in, and sessions live on, lose their access tokens, or end. Pure.
 */
import { assert } from "../../schema/assert.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { HearOfUser, UserState } from "../../schema/user-authority.ts";
import { type Account, type Family, isLive } from "./family.ts";
import { moveEpoch, newAccount } from "./revoke.ts";

export type HearDecision = {
  /** With the newest state, and the epoch that every token made so far is measured by. */
  account: Account;
  /** The state is newer than what was known; what is not news overwrites nothing. */
  isNews: boolean;
  /** Live families that go on under the new epoch, which their access tokens do not reach. */
  carried: Family[];
  /** Live families that end one by one. */
  ending: Family[];
  /** How many end, by name or by the epoch. */
  revoked: number;
};

/**
 * Decides what news of the user does; `live` is every live family. Who is inactive has no session,
 * whatever was asked. What is asked for is done also for an old or repeated version: ending is
 * never wrong twice, and a state that came by a login did not tell that anything had to end.
 *
 * A user who was never heard of gets an account all the same, so that a login that read D1 before
 * the change is `stale`; the alarm forgets it when no such login can still be under way.
 */
export function decideHearing(
  known: Account | null,
  live: readonly Family[],
  command: HearOfUser,
  now: NumericDate,
): HearDecision {
  const isNews = known === null || command.user.version > known.user.version;
  const nothing = { isNews, carried: [], ending: [], revoked: 0 };
  if (known === null) {
    const { user, reason } = command;
    const ended = effectOn(user, [], command, isNews) === "end" ? reason : null;
    return { ...nothing, account: newAccount(user, command, now, ended) };
  }
  if (known.erasedAt !== null) return { ...nothing, isNews: false, account: known };
  const account = isNews ? { ...known, user: command.user } : known;
  const isMoot = !isNews && live.length === 0; // told twice: the epoch has moved already
  switch (effectOn(account.user, live, command, isNews)) {
    case "keep":
      return { ...nothing, account };
    case "distrust": {
      if (isMoot) return { ...nothing, account };
      const moved = { ...account, epoch: account.epoch + 1 };
      const carried = live.map((family) => ({ ...family, epoch: moved.epoch }));
      assert(
        live.every((family) => isLive(family, known, now)),
        "only what is live is carried over",
      );
      return { ...nothing, account: moved, carried };
    }
    case "end_others": {
      const ending = live.filter(({ sid }) => sid !== command.by?.sid);
      return { ...nothing, account, ending, revoked: ending.length };
    }
    case "end": {
      const moved = isMoot ? account : moveEpoch(account, command.reason, now);
      return { ...nothing, account: moved, revoked: live.length };
    }
  }
}

/** What happens to the sessions: with no session of the asker to keep, all others are all. */
function effectOn(
  user: UserState,
  live: readonly Family[],
  { sessions, by }: HearOfUser,
  isNews: boolean,
): HearOfUser["sessions"] {
  if (isNews && !user.isActive) return "end";
  const isAskerLive = live.some(({ sid }) => sid === by?.sid);
  return sessions === "end_others" && !isAskerLive ? "end" : sessions;
}
