/**
 * What makes a code good once (RFC 6238 §5.2): the newest time step that was used, and the
 * `mfa_token`s that have opened a session. Pure.
 */
import type { TokenId } from "../../schema/ids.ts";
import { type CodeUse, STEP_SECONDS, STEP_WINDOW } from "../../schema/mfa.ts";
import type { NumericDate } from "../../schema/time.ts";

export type UsedCodes = {
  /** The newest step that was used, of the secret that it is of. Older ones are used up with it. */
  newest: { enrolment: string; step: number } | null;
  passes: { id: TokenId; exp: NumericDate }[];
  /** Recovery codes, by digest, and since when D1 does not offer one any more; null: it still does. */
  recovery: { digest: string; removedAt: NumericDate | null }[];
};

export const NOTHING_USED: UsedCodes = { newest: null, passes: [], recovery: [] };

/**
 * An edge whose clock is behind this object's still takes what has expired here, and one that read D1
 * before a recovery code was taken out of it still offers that. Longer than any request.
 */
const CLOCK_MARGIN_SECONDS = 600;

export type UseDecision = { kind: "spent" } | { kind: "accepted"; used: UsedCodes };

/** Decides on a code that the edge has found right: however many present it at once, one is accepted. */
export function decideUse(known: UsedCodes, use: CodeUse, now: NumericDate): UseDecision {
  const { enrolment, step, recovery, pass } = use;
  if (pass !== null && known.passes.some(({ id }) => id === pass.id)) return { kind: "spent" };
  if (step !== null && known.newest?.enrolment === enrolment && step <= known.newest.step) {
    return { kind: "spent" };
  }
  if (recovery !== null && known.recovery.some(({ digest }) => digest === recovery)) return { kind: "spent" };
  const kept = usedAt(known, now);
  return {
    kind: "accepted",
    used: {
      newest: step === null ? kept.newest : { enrolment, step },
      passes: pass === null ? kept.passes : [...kept.passes, pass],
      recovery: recovery === null ? kept.recovery : [...kept.recovery, { digest: recovery, removedAt: null }],
    },
  };
}

/** What of it still matters: nothing that no edge would take any more. */
export function usedAt(known: UsedCodes, now: NumericDate): UsedCodes {
  return {
    newest: known.newest !== null && stepKeptUntil(known.newest.step) > now ? known.newest : null,
    passes: known.passes.filter(({ exp }) => exp + CLOCK_MARGIN_SECONDS > now),
    recovery: known.recovery.filter(
      ({ removedAt }) => removedAt === null || removedAt + CLOCK_MARGIN_SECONDS > now,
    ),
  };
}

/** The recovery codes that D1 still offers. */
export function unremoved({ recovery }: UsedCodes): string[] {
  return recovery.filter(({ removedAt }) => removedAt === null).map(({ digest }) => digest);
}

/** The same codes once D1 has taken these out. */
export function withRemoved(known: UsedCodes, digests: readonly string[], now: NumericDate): UsedCodes {
  const recovery = known.recovery.map((one) => {
    return digests.includes(one.digest) ? { ...one, removedAt: now } : one;
  });
  return { ...known, recovery };
}

/**
 * When all of it can be forgotten, or null if there is nothing. What D1 still offers has no end: it
 * must be taken out there first.
 */
export function usedKeptUntil({ newest, passes, recovery }: UsedCodes): NumericDate | null {
  const removed = recovery.map(({ removedAt }) => removedAt ?? Number.POSITIVE_INFINITY);
  const ends = [...passes.map(({ exp }) => exp), ...removed].map((at) => at + CLOCK_MARGIN_SECONDS);
  if (newest !== null) ends.push(stepKeptUntil(newest.step));
  return ends.length === 0 ? null : Math.max(...ends);
}

/** A code of a step is taken until the end of the window's last step. */
function stepKeptUntil(step: number): NumericDate {
  return (step + 1 + STEP_WINDOW) * STEP_SECONDS + CLOCK_MARGIN_SECONDS;
}
