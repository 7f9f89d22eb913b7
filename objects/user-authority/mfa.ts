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
};

export const NOTHING_USED: UsedCodes = { newest: null, passes: [] };

/** An edge whose clock is behind this object's still takes what has expired here. */
const CLOCK_MARGIN_SECONDS = 600;

export type UseDecision = { kind: "spent" } | { kind: "accepted"; used: UsedCodes };

/** Decides on a code that the edge has found right: however many present it at once, one is accepted. */
export function decideUse(known: UsedCodes, use: CodeUse, now: NumericDate): UseDecision {
  const { enrolment, step, pass } = use;
  if (pass !== null && known.passes.some(({ id }) => id === pass.id)) return { kind: "spent" };
  if (step !== null && known.newest?.enrolment === enrolment && step <= known.newest.step) {
    return { kind: "spent" };
  }
  const kept = usedAt(known, now);
  return {
    kind: "accepted",
    used: {
      newest: step === null ? kept.newest : { enrolment, step },
      passes: pass === null ? kept.passes : [...kept.passes, pass],
    },
  };
}

/** What of it still matters: nothing that no edge would take any more. */
export function usedAt(known: UsedCodes, now: NumericDate): UsedCodes {
  return {
    newest: known.newest !== null && stepKeptUntil(known.newest.step) > now ? known.newest : null,
    passes: known.passes.filter(({ exp }) => exp + CLOCK_MARGIN_SECONDS > now),
  };
}

/** When something of it can be forgotten, or null if there is nothing. */
export function usedKeptUntil({ newest, passes }: UsedCodes): NumericDate | null {
  const ends = passes.map(({ exp }) => exp + CLOCK_MARGIN_SECONDS);
  if (newest !== null) ends.push(stepKeptUntil(newest.step));
  return ends.length === 0 ? null : Math.max(...ends);
}

/** A code of a step is taken until the end of the window's last step. */
function stepKeptUntil(step: number): NumericDate {
  return (step + 1 + STEP_WINDOW) * STEP_SECONDS + CLOCK_MARGIN_SECONDS;
}
