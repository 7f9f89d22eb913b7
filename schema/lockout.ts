/**
 * Guessing at one account (contract §2, OWASP ASVS 6.3.1, NIST SP 800-63B §3.2.2). An attempt is
 * reserved before anything is hashed and settled afterwards. Strangers are counted together, from
 * however many addresses they come; each client that the account knows is counted by itself, up to ten
 * such clients that have failed.
 */
import type { ClientView } from "./audit-events.ts";
import type { TokenId } from "./ids.ts";
import type { NumericDate } from "./time.ts";

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
  /** `track`: what it is counted with, and settled by. `epoch`: the account's then; 0 if it had none. */
  | { kind: "reserved"; track: Track; at: NumericDate; epoch: number }
  /** `untilUnlocked`: past the ceiling, where no time helps, only the owner's mail or an admin. */
  | { kind: "locked"; retryAfterSeconds: number; untilUnlocked: boolean };

/**
 * An attempt that was reserved, as what it proves is brought to the object: a session is dated by it,
 * so that whatever ended sessions meanwhile has ended this one, too.
 */
export type Attempt = Pick<ReserveAttempt, "ticket" | "track"> &
  Pick<Extract<ReserveAnswer, { kind: "reserved" }>, "at" | "epoch">;

/**
 * The outcome of a reserved attempt. What is never settled counts as a failure. `wrong_code` is a
 * failure too: of a login whose password was right, so that somebody knows it.
 */
export type SettleAttempt = ReserveAttempt & {
  outcome: "success" | "failure" | "wrong_code" | "not_tried";
};
