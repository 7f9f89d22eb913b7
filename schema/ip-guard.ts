/** The contract of `IpGuard`: how often one client address may ask. */
import type { ChargeAnswer, LimitRule, Reservation, Wish } from "./limits.ts";

export interface IpGuardContract {
  /** Charges one request to all rules, or to none of them if one refuses. */
  charge(rules: LimitRule[]): Promise<ChargeAnswer>;
  /** Reserves some of each general limit that is wished for, and settles earlier reservations. */
  reserve(wishes: Wish[]): Promise<Reservation[]>;
  /** Answers true; for the health check. Writes nothing. */
  ping(): Promise<true>;
}
