/** Ending sessions: who may, and what ends. Pure. */
import { assert } from "../../schema/assert.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { Bearer } from "../../schema/user-authority.ts";
import { type Account, type Family, isLive } from "./family.ts";

/** True if the bearer's token speaks for a session that is live, and is not older than the epoch. */
export function isConfirmed(
  by: Bearer,
  account: Account | null,
  family: Family | null,
  now: NumericDate,
): account is Account {
  return (
    account !== null &&
    family !== null &&
    family.sid === by.sid &&
    account.user.isActive &&
    isLive(family, account, now) &&
    (by.ep === null || by.ep >= account.epoch)
  );
}

/**
 * Every session and access token of the user, ended by one number. It only ever grows, so
 * nothing that it ended comes back (REV-07), and what begins afterwards carries the new one.
 */
export function moveEpoch(account: Account): Account {
  const moved = { ...account, epoch: account.epoch + 1 };
  assert(moved.epoch > account.epoch, "an epoch never falls");
  return moved;
}
