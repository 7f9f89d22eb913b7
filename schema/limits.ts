/** Limits: at most so many requests in so many seconds, and what is told of them. */

/** Every limit by name: all but `user` and `api_key` count per client address. */
export const LIMIT_CLASSES = ["ip", "auth", "refresh", "register", "user", "api_key"] as const;
export type LimitClass = (typeof LIMIT_CLASSES)[number];
/** The limits of a client address that a request may count to beside `ip`. */
export type OwnLimit = Exclude<LimitClass, "ip" | "user" | "api_key">;
/** Those on guessing and on new accounts: charged exactly, never paid from a reservation. */
export const STRICT_LIMITS = ["auth", "register"] as const;
export type StrictLimit = (typeof STRICT_LIMITS)[number];

/** At most `limit` requests in any `seconds` in a row. */
export type Rate = { limit: number; seconds: number };
/** Limits of a user's own object on mail, which are no setting. */
export type MailLimit = "mail_by_anyone" | "mail_of_locks" | "mail_by_owner" | "mail_of_keys";
export type LimitRule = Rate & { name: LimitClass | MailLimit };

/** What is left of one limit. `resetSeconds`: until the oldest counted request counts no more. */
export type Budget = LimitRule & { remaining: number; resetSeconds: number };

export type ChargeAnswer =
  | { kind: "admitted"; budgets: Budget[] }
  | { kind: "refused"; by: LimitRule["name"]; retryAfterSeconds: number; budgets: Budget[] };

/** How long a reservation may be used, and the longest that an edge goes without asking. */
export const RESERVATION_MS = 5000;

/** The `id` of a reservation of nothing: it is in no log, so its name must not be another's. */
export const NOTHING_GRANTED = 0;

/** Some of a budget, for one isolate of the edge to use. `granted` may be 0. */
export type Reservation = { id: number; granted: number; budget: Budget };

/** What an edge asks for: up to `want` requests of a limit, and the ends of earlier reservations. */
export type Wish = { rule: LimitRule; want: number; settle: Settlement[] };

/** How much of a reservation was used, once it is used up or has ended, and when: an edge of an older release does not say. */
export type Settlement = { id: number; used: number; uses?: Use[] };

/** So many requests, so many milliseconds after the edge asked for the reservation: no clock is compared with another. */
export type Use = [afterMs: number, count: number];
