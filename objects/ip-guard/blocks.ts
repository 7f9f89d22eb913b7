/** What an address may not do, and until when. Pure. */
import type { Block, BlockRow, Impose, Pattern } from "../../schema/abuse.ts";
import type { Detection } from "./abuse.ts";

/** The last decision about the address, ended or not. `revision` grows with each. */
export type Standing = Block & {
  address: string;
  cause: Pattern | "admin";
  reason: string | null;
  actor: string | null;
  atMs: number;
  revision: number;
};

/** What stands now, or null: a block ends by itself to the millisecond. */
export function blockAt(standing: Standing | null, nowMs: number): Block | null {
  if (standing === null || standing.untilMs <= nowMs) return null;
  return { scope: standing.scope, untilMs: standing.untilMs };
}

/**
 * Whether a block stops a guess, or anything else. What fails meanwhile was on its way before, so that it
 * counts for nothing: one attack is detected once.
 */
export function stops(block: Block | null, isGuess: boolean): block is Block {
  return block !== null && (isGuess || block.scope === "everything");
}

/** Decides what follows from a detection: what stands is never weakened or shortened by one. */
export function decideDetected(
  before: Standing | null,
  { pattern, action }: Detection,
  address: string,
  nowMs: number,
): Standing | null {
  if (!("seconds" in action)) return before;
  const stands = blockAt(before, nowMs);
  const scope = action.kind === "ban" || stands?.scope === "everything" ? "everything" : "guesses";
  const untilMs = Math.max(nowMs + action.seconds * 1000, stands?.untilMs ?? 0);
  if (before !== null && stands !== null && stands.scope === scope && stands.untilMs === untilMs)
    return before;
  const revision = nextRevision(before, nowMs);
  return { address, scope, untilMs, cause: pattern, reason: null, actor: null, atMs: nowMs, revision };
}

/** An admin's word takes the place of what stands, also of something longer. */
export function decideImposed(before: Standing | null, command: Impose, nowMs: number): Standing {
  const { address, seconds, reason, actor } = command;
  return {
    address,
    scope: "everything",
    untilMs: nowMs + seconds * 1000,
    cause: "admin",
    reason,
    actor,
    atMs: nowMs,
    revision: nextRevision(before, nowMs),
  };
}

/** Ends what stands; null if nothing does. */
export function decideLifted(before: Standing | null, nowMs: number): Standing | null {
  if (before === null || blockAt(before, nowMs) === null) return null;
  const untilMs = Math.floor(nowMs / 1000) * 1000; // ended in whole seconds too, as D1 lists it
  return { ...before, untilMs, revision: nextRevision(before, nowMs) };
}

/** As D1 lists it; an end within a second is the next whole one. */
export function rowOf(standing: Standing): BlockRow & { revision: number } {
  const { address, scope, cause, reason, actor, atMs, untilMs, revision } = standing;
  return {
    address,
    scope,
    cause,
    reason,
    actor,
    created_at: Math.floor(atMs / 1000),
    expires_at: Math.ceil(untilMs / 1000),
    revision,
  };
}

/** Above whatever an object that has emptied itself since ever told. */
function nextRevision(before: Standing | null, nowMs: number): number {
  return Math.max(nowMs, (before?.revision ?? 0) + 1);
}
