/** Ending every session and access token of a user by one number. Pure. */
import { assert } from "../../schema/assert.ts";
import { isLegacyOpen, type Legacy } from "../../schema/legacy.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { EndReason, Era, UserState } from "../../schema/user-authority.ts";
import type { Account } from "./family.ts";

/** Moves of the epoch that a timeline can still tell apart. */
export const EPOCH_HISTORY_MAX = 20;

/**
 * The account with its epoch moved. It only ever grows, so nothing that it ended comes back
 * (REV-07), and what begins afterwards carries the new one.
 */
export function moveEpoch(account: Account, reason: EndReason, now: NumericDate): Account {
  const epoch = account.epoch + 1;
  assert(epoch > account.epoch, "an epoch never falls");
  const epochHistory = [...account.epochHistory, { epoch, at: now, reason }].slice(-EPOCH_HISTORY_MAX);
  return { ...account, epoch, epochHistory };
}

/**
 * The account of a user whom the object did not know. It begins above every epoch that an object
 * which emptied itself ever gave out. `ended`: why all that they had elsewhere, at Django, has ended.
 */
export function newAccount(
  user: UserState,
  { revokedBefore }: Era,
  now: NumericDate,
  ended: EndReason | null,
): Account {
  const epochHistory = ended === null ? [] : [{ epoch: now, at: now, reason: ended }];
  return { user, epoch: now, revokedBefore, erasedAt: null, epochHistory };
}

/** Whether Django may have given the user something since the epoch last moved, which ends all of that second. */
export function mayDjangoBeBelieved(
  { epochHistory }: Account,
  legacy: Legacy | null,
  now: NumericDate,
): boolean {
  return isLegacyOpen(legacy, now) && epochHistory.at(-1)?.at !== now;
}
