/** Ending every session and access token of a user by one number. Pure. */
import { assert } from "../../schema/assert.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { EndReason } from "../../schema/user-authority.ts";
import type { Account } from "./family.ts";

/** Moves of the epoch that a timeline can still tell apart. */
const EPOCH_HISTORY_MAX = 20;

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
