/** Every session of the user that is still kept, ended ones too, each with what happened to it. Pure. */
import type { NumericDate } from "../../schema/time.ts";
import type { Bearer, SessionHistoriesAnswer } from "../../schema/user-authority.ts";
import { type Account, type Family, isConfirmed, viewOf } from "./family.ts";
import { timelineOf } from "./timeline.ts";

/** Newest first, for a bearer whose own session is one of the live ones. */
export function decideHistories(
  account: Account | null,
  families: readonly Family[],
  by: Bearer,
  now: NumericDate,
): SessionHistoriesAnswer {
  const own = families.find(({ sid }) => sid === by.sid) ?? null;
  if (!isConfirmed(by, account, own, now)) return { kind: "denied", reason: "revoked" };
  const newestFirst = [...families].sort((one, other) => other.createdAt - one.createdAt);
  const sessions = newestFirst.map((family) => ({
    ...viewOf(family),
    ...timelineOf(family, account, now),
  }));
  return { kind: "sessions", sessions };
}
