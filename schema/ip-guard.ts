/** The contract of `IpGuard`: how often one client address may ask. */
import type { ChargeAnswer, LimitRule, Reservation, Settlement } from "./limits.ts";

export type Reserve = { rule: LimitRule; want: number; settle: Settlement[] };

export interface IpGuardContract {
  /** Charges one request to all rules, or to none of them if one refuses. */
  charge(rules: LimitRule[]): Promise<ChargeAnswer>;
  /** Reserves up to `want` requests of one general limit, and settles earlier reservations. */
  reserve(command: Reserve): Promise<Reservation>;
  /** Answers true; for the health check. Writes nothing. */
  ping(): Promise<true>;
}
