/** The catalogue of security events and their risk, shared by everyone who writes one. */
import type { NumericDate } from "./time.ts";

export const RISK_LEVELS = ["low", "medium", "high", "critical"] as const;
export type RiskLevel = (typeof RISK_LEVELS)[number];

/** Every event type, with the risk that it always has. */
export const EVENT_RISKS = {
  session_evicted: "medium",
  sessions_revoked: "medium",
  everyone_revoked: "critical",
  session_revoked: "medium",
  refresh_repeated_elsewhere: "medium",
  token_reuse_detected: "high",
} as const satisfies Record<string, RiskLevel>;
export type EventType = keyof typeof EVENT_RISKS;

/** Where a request came from, as an event or a session shows it. */
export type ClientView = { ip: string | null; country: string | null; userAgent: string | null };

/** One row of the audit trail. `id` makes delivery idempotent: the same event inserted twice is one row. */
export type AuditEvent = {
  id: string;
  at: NumericDate;
  type: EventType;
  /** Null for an event that is about no single user. */
  userId: number | null;
  sid: string | null;
  reason: string | null;
  requestId: string | null;
  client: ClientView;
  details: Record<string, string | number | boolean | null>;
};
