/** Deleting the user: everything ends, and a tombstone stays that opens nothing again. Pure. */
import { assert } from "../../schema/assert.ts";
import type { UserId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { Account } from "./family.ts";

/** How long a deleted user is remembered: longer than any request can last that found them in D1. */
export const TOMBSTONE_SECONDS = 86_400;

export type ErasureDecision = { kind: "erase" | "already"; account: Account };

/**
 * Decides the end of a user whose deletion D1 has written down; `known` is null if the object never
 * heard of them. The epoch moves once more, so that every access token of theirs is dead.
 */
export function decideErasure(known: Account | null, userId: UserId, now: NumericDate): ErasureDecision {
  if (known !== null && known.erasedAt !== null) return { kind: "already", account: known };
  const account: Account = {
    user: {
      id: userId,
      username: "",
      email: null,
      role: "user",
      isActive: false,
      version: known?.user.version ?? 0,
    },
    epoch: known === null ? now : known.epoch + 1,
    revokedBefore: known?.revokedBefore ?? 0,
    erasedAt: now,
    epochHistory: [],
  };
  assert(known === null || account.epoch > known.epoch, "an epoch never falls");
  return { kind: "erase", account };
}
