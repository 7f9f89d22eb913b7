/** What the guard tells the audit trail. Pure. Evidence is counts and times, never a name. */
import { type Impose, type Lift, PATTERNS } from "../../schema/abuse.ts";
import type { AuditEvent, EventType } from "../../schema/audit-events.ts";
import { toNumericDate } from "../../schema/time.ts";
import type { Origin } from "../../schema/user-authority.ts";
import type { Detection } from "./abuse.ts";

/** A pattern was seen: the evidence, and what was done. */
export function abuseDetected(
  detection: Detection,
  origin: Origin,
  address: string,
  nowMs: number,
): AuditEvent {
  const { pattern, action, failures, accounts, firstAtMs, periodSeconds, times } = detection;
  const { event } = PATTERNS[pattern];
  return {
    ...common(event, origin, address, nowMs),
    actor: "system",
    reason: action.kind,
    details: {
      address,
      failures,
      distinct_accounts: accounts,
      first_at: toNumericDate(firstAtMs),
      period_seconds: periodSeconds,
      times,
      action_seconds: "seconds" in action ? action.seconds : null,
    },
  };
}

export function addressBlocked(command: Impose, nowMs: number): AuditEvent {
  const { address, seconds, reason, actor } = command;
  return {
    ...common("address_blocked", command, address, nowMs),
    actor,
    reason,
    details: { address, seconds },
  };
}

export function addressUnblocked(command: Lift, nowMs: number): AuditEvent {
  const { address, actor } = command;
  return { ...common("address_unblocked", command, address, nowMs), actor, details: { address } };
}

function common(type: EventType, { client, requestId }: Origin, address: string, nowMs: number): AuditEvent {
  return {
    id: `${requestId}.${type}.${address}`,
    at: toNumericDate(nowMs),
    type,
    userId: null,
    sid: null,
    reason: null,
    requestId,
    client,
    details: {},
  };
}
