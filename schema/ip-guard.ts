/** The contract of `IpGuard`: how often one client address may ask. */

/** The limits that count per client address, by name. */
export const LIMIT_CLASSES = ["ip", "auth", "refresh", "register"] as const;
export type LimitClass = (typeof LIMIT_CLASSES)[number];

/** At most `limit` requests in any `seconds` in a row. */
export type Rate = { limit: number; seconds: number };
export type LimitRule = Rate & { name: LimitClass };

/** What is left of one limit. `resetSeconds`: until the oldest counted request counts no more. */
export type Budget = LimitRule & { remaining: number; resetSeconds: number };

export type ChargeAnswer =
  | { kind: "admitted"; budgets: Budget[] }
  | { kind: "refused"; by: LimitClass; retryAfterSeconds: number; budgets: Budget[] };

export interface IpGuardContract {
  /** Charges one request to all rules, or to none of them if one refuses. */
  charge(rules: LimitRule[]): Promise<ChargeAnswer>;
  /** Answers true; for the health check. Writes nothing. */
  ping(): Promise<true>;
}
