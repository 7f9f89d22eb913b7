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
  access_tokens_revoked: "medium",
  refresh_repeated_elsewhere: "medium",
  token_reuse_detected: "high",
  account_locked: "high",
  account_unlocked: "medium",
  signing_key_ending: "high",
  account_deleted: "high",
  account_exported: "medium",
  user_changed_by_admin: "medium",
  session_ended_by_admin: "medium",
  role_permissions_changed: "medium",
  admin_action_refused: "medium",
  api_key_created: "medium",
  api_key_revoked: "medium",
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

/** Appends one event to D1's `audit_events`; one that is there already is left as it is. */
export const INSERT_EVENT = `INSERT OR IGNORE INTO audit_events
  (id, at, type, risk, user_id, sid, reason, request_id, ip, country, user_agent, details)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** What `INSERT_EVENT` is bound to, in its order. */
export function eventValues(event: AuditEvent): (string | number | null)[] {
  return [
    event.id,
    event.at,
    event.type,
    EVENT_RISKS[event.type],
    event.userId,
    event.sid,
    event.reason,
    event.requestId,
    event.client.ip,
    event.client.country,
    event.client.userAgent,
    JSON.stringify(event.details),
  ];
}
