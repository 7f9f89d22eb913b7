/** When a mail that could not be handed over is tried again. Pure. */

const FIRST_MS = 2000;
const LONGEST_MS = 1_800_000;
/** RFC 5321 §4.5.4.1: "the give-up time generally needs to be at least 4-5 days". */
const GIVE_UP_MS = 432_000_000;

/**
 * Twice as long after every failure, half an hour at most, for five days; then null. `attempts`
 * counts the failures before this one.
 */
export function decideRetry(
  { attempts, askedAtMs }: { attempts: number; askedAtMs: number },
  nowMs: number,
): number | null {
  if (nowMs - askedAtMs >= GIVE_UP_MS) return null;
  return nowMs + Math.min(FIRST_MS * 2 ** attempts, LONGEST_MS);
}
