/**
 * The contract of `AlertDesk`: the one object that tells people, by webhook. Asked by the audit
 * trail's consumer, once a batch, and by the cron: never by a request.
 */
import { type AuditEvent, EVENT_RISKS } from "./audit-events.ts";
import type { NumericDate } from "./time.ts";

/** The name of the one object. */
export const ALERT_DESK_NAME = "alerts";

export const ALERT_KINDS = [
  "security_event",
  "key_ending",
  "health_failing",
  "health_recovered",
  "audit_stuck",
  "traffic_spike",
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** `id`: the same alert raised twice is one. `key`: what it is about, of which one is enough for a while. */
export type Alert = {
  id: string;
  kind: AlertKind;
  key: string;
  at: NumericDate;
  /** Goes outside: no address, no name, no words that anybody typed. */
  facts: Record<string, string | number | null>;
};

export interface AlertDeskContract {
  /** Takes alerts, durably; they are sent afterwards, at least once. Ignores them while no webhook is set. */
  raise(alerts: Alert[]): Promise<void>;
  /** Hears which parts fail at this moment, and raises an alert when that begins and when it ends. */
  hearHealth(report: { failing: string[]; at: NumericDate }): Promise<void>;
  /** The end of the last hour that was compared with earlier days; null if none was. */
  comparedUntil(): Promise<NumericDate | null>;
  /** Takes what a comparison has found, and remembers how far it went: also while no webhook is set. */
  hearComparison(report: { spikes: Alert[]; until: NumericDate }): Promise<void>;
}

/** The alerts of those events that are high or critical. */
export function alertsOf(events: readonly AuditEvent[]): Alert[] {
  return events.filter(isAlarming).map(({ id, at, type, userId, reason, requestId }) => ({
    id,
    at,
    kind: type === "signing_key_ending" ? "key_ending" : "security_event",
    key: `${type}:${userId ?? ""}`,
    facts: { event_id: id, type, risk: EVENT_RISKS[type], user_id: userId, reason, request_id: requestId },
  }));
}

/** A key that ends with another to follow it is no alarm, though an event. */
export function isAlarming({ type, details }: AuditEvent): boolean {
  if (type === "signing_key_ending" && details.has_successor === true) return false;
  const risk = EVENT_RISKS[type];
  return risk === "high" || risk === "critical";
}

const HOUR_SECONDS = 3600;

/** Events wait and do not arrive. One an hour, whoever says so. */
export function auditStuck(part: string, at: NumericDate): Alert {
  const hour = at - (at % HOUR_SECONDS);
  return { id: `audit_stuck.${hour}`, kind: "audit_stuck", key: "audit_stuck", at, facts: { part } };
}
