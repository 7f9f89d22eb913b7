/**
 * Guessing at one account (contract §2, OWASP ASVS 6.3.1, NIST SP 800-63B §3.2.2). An attempt is
 * reserved before anything is hashed and settled afterwards. Strangers are counted together, from
 * however many addresses they come; each client that the account knows is counted by itself, up to ten
 * such clients that have failed.
 */
import type { ClientView } from "./audit-events.ts";
import type { TokenId } from "./ids.ts";

/** Who is counted together: all strangers, or one device that the account knows. */
export type Track = "strangers" | `device:${string}`;

export type ReserveAttempt = {
  /** Names the attempt, to settle it. */
  ticket: TokenId;
  track: Track;
  /** Null for a name that nobody has: it is counted all the same, in an object of its own. */
  userId: number | null;
  client: ClientView;
  requestId: string;
};
export type ReserveAnswer =
  /** `track`: what it is counted with, and settled by. */
  | { kind: "reserved"; track: Track }
  /** `untilUnlocked`: past the ceiling, where no time helps, only the owner's mail or an admin. */
  | { kind: "locked"; retryAfterSeconds: number; untilUnlocked: boolean };

/**
 * The outcome of a reserved attempt. What is never settled counts as a failure. `wrong_code` is a
 * failure too: of a login whose password was right, so that somebody knows it.
 */
export type SettleAttempt = ReserveAttempt & {
  outcome: "success" | "failure" | "wrong_code" | "not_tried";
};
