/** The catalogue of security events and their risk, shared by everyone who writes one. Pure. */
import { z } from "zod";
import type { NumericDate } from "./time.ts";

export const RISK_LEVELS = ["low", "medium", "high", "critical"] as const;
export type RiskLevel = (typeof RISK_LEVELS)[number];

/** Every event type, with the risk that it always has. */
export const EVENT_RISKS = {
  user_registered: "low",
  login_succeeded: "low",
  login_failed: "low",
  second_factor_asked: "low",
  reauthentication_failed: "low",
  token_refreshed: "low",
  refresh_denied: "low",
  logged_out: "low",
  request_limited: "low",
  request_blocked: "low",
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
  password_reset_asked: "low",
  password_reset: "high",
  password_changed: "medium",
  email_verified: "low",
  email_changed: "high",
  account_deleted: "high",
  account_exported: "medium",
  user_changed_by_admin: "medium",
  session_ended_by_admin: "medium",
  role_permissions_changed: "medium",
  admin_action_refused: "medium",
  admin_action_without_effect: "low",
  viewed_by_admin: "low",
  admin_request: "low",
  api_key_created: "medium",
  api_key_revoked: "medium",
  rapid_login_attempts: "high",
  password_spray: "critical",
  token_brute_force: "critical",
  address_blocked: "medium",
  address_unblocked: "medium",
  django_token_exchanged: "medium",
  django_session_exchanged: "medium",
  migration_finished: "high",
  mfa_enabled: "medium",
  mfa_disabled: "high",
  mfa_failed: "medium",
  recovery_code_used: "medium",
} as const satisfies Record<string, RiskLevel>;
export type EventType = keyof typeof EVENT_RISKS;

/** True for a type that the catalogue knows: another release may write others. */
export function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENT_RISKS, type);
}

/**
 * Where a request came from, as an event or a session shows it. City and the platform's location
 * (`colo`) are there where the platform tells them.
 */
export type ClientView = {
  ip: string | null;
  country: string | null;
  userAgent: string | null;
  city?: string;
  colo?: string;
};

/** An event about nobody's request. */
export const NO_CLIENT: ClientView = { ip: null, country: null, userAgent: null };

/** One row of the audit trail. `id` makes delivery idempotent: the same event inserted twice is one row. */
export type AuditEvent = {
  id: string;
  at: NumericDate;
  type: EventType;
  /** Whom it is about; null for an event that is about no single user. */
  userId: number | null;
  /** Who did it: `user:<id>`, `operator` or `system`; unset where nobody is known to have. */
  actor?: string;
  sid: string | null;
  reason: string | null;
  requestId: string | null;
  client: ClientView;
  details: Record<string, string | number | boolean | null>;
  /** How many alike it stands for; unset: one. */
  count?: number;
};

const nullableText = z.string().nullable();
const eventSchema = z.object({
  id: z.string().min(1),
  at: z.int().nonnegative(),
  type: z.string().refine(isEventType),
  userId: z.int().nullable(),
  actor: z.string().optional(),
  sid: nullableText,
  reason: nullableText,
  requestId: nullableText,
  client: z.object({
    ip: nullableText,
    country: nullableText,
    userAgent: nullableText,
    city: z.string().optional(),
    colo: z.string().optional(),
  }),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  count: z.int().positive().optional(),
});
const messageSchema = z.object({ events: z.array(eventSchema) });

/** What one message of the Queue carries. */
export type AuditMessage = { events: AuditEvent[] };

/** The events of a message, or null if it is none that this release can read. */
export function eventsOf(body: unknown): AuditEvent[] | null {
  const parsed = messageSchema.safeParse(body);
  return parsed.success ? (parsed.data.events as AuditEvent[]) : null;
}

/** Half of what the Queue takes in one message (128 KB). */
const MESSAGE_BYTES_MAX = 64_000;

/** The events in as few messages as hold them, in their order. */
export function messagesOf(events: readonly AuditEvent[]): AuditMessage[] {
  const encoder = new TextEncoder();
  const messages: AuditMessage[] = [];
  let bytes = 0;
  for (const event of events) {
    const size = encoder.encode(JSON.stringify(event)).length + 1;
    const last = messages.at(-1);
    if (last === undefined || bytes + size > MESSAGE_BYTES_MAX) {
      messages.push({ events: [event] });
      bytes = size;
    } else {
      last.events.push(event);
      bytes += size;
    }
  }
  return messages;
}
