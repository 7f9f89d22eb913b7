/** The contract of `IpGuard`: how often one client address may ask. */
import type { AbuseReport, Block, BlockAfter, GuessView, Impose, Lift, OpenGuess } from "./abuse.ts";
import type { ChargeAnswer, LimitRule, Reservation, Wish } from "./limits.ts";

/** `block`: what stands against the address, also where it does not stop this request. */
export type GuardAnswer =
  | (ChargeAnswer & { block?: Block; guess?: GuessView })
  | { kind: "blocked"; block: Block };
export type GuardedReservation = Reservation & { block?: Block };

export interface IpGuardContract {
  /**
   * Charges one request to all rules, or to none of them if one refuses; with `guess`, opens it, and waits a while
   * for its turn where as many are open as may be. `passes`: no block matters.
   */
  charge(rules: LimitRule[], guess: OpenGuess | null, passes?: boolean): Promise<GuardAnswer>;
  /** Reserves some of each general limit that is wished for, and settles earlier reservations; none for a banned address unless it `passes`. */
  reserve(wishes: Wish[], passes: boolean): Promise<GuardedReservation[]>;
  /** Hears of a failure, or of how a watched guess ended; answers what the address may not do now. */
  report(report: AbuseReport): Promise<BlockAfter | null>;
  /** Blocks the address for an admin, in place of what stands. */
  impose(command: Impose): Promise<Block>;
  /** Ends what stands; false if nothing does. */
  lift(command: Lift): Promise<boolean>;
  /** Answers true; for the health check. Writes nothing. */
  ping(): Promise<true>;
}
