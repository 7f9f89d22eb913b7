/** Which signing keys are about to end, and whether anything takes their place. Pure. */
import type { SigningKey } from "./signing-keys.ts";
import type { NumericDate } from "./time.ts";

/** A key with an end. */
type BoundedKey = SigningKey & { endsAt: NumericDate };
export type EndingKey = BoundedKey & { hasSuccessor: boolean };

/**
 * The keys that end within the notice, and whether each has a successor: a key that is as new or
 * newer, begins before this one ends, and ends later.
 *
 * An older key that would sign again is none: the service would go on, with a key that somebody
 * meant to replace. Nor is one that begins later: in between, nothing could sign. A key that has
 * ended is not ending; if that leaves none, every answer that needs a signature says so.
 */
export function endingKeys(
  keys: readonly SigningKey[],
  now: NumericDate,
  noticeSeconds: number,
): EndingKey[] {
  return keys
    .filter(hasEnd)
    .filter(({ endsAt }) => now < endsAt && endsAt <= now + noticeSeconds)
    .map((key) => ({ ...key, hasSuccessor: keys.some((other) => succeeds(other, key)) }));
}

function hasEnd(key: SigningKey): key is BoundedKey {
  return key.endsAt !== null;
}

function succeeds(other: SigningKey, key: BoundedKey): boolean {
  const isInTime = key.createdAt <= other.createdAt && other.createdAt <= key.endsAt;
  return isInTime && (other.endsAt === null || key.endsAt < other.endsAt);
}
