/**
 * A sliding log: at most `limit` requests in *any* `seconds` in a row, with no window edge to
 * double a burst at. Pure.
 *
 * A log longer than `EXACT_MAX` is kept in slots of the period's 1/128, each dated by its latest
 * request: it may then refuse for one slot too long, and never admits one too many.
 */
import { assert } from "../../schema/assert.ts";
import type { Budget, ChargeAnswer, LimitRule } from "../../schema/ip-guard.ts";

/** Moments and how many requests they stand for, oldest first. */
export type RequestLog = { atMs: number; count: number }[];

const EXACT_MAX = 128;

export type ChargeDecision = { answer: ChargeAnswer; logs: RequestLog[] };

/** Decides one request against all rules, `logs` in the rules' order: charged to each, or to none. */
export function decideCharge(
  logs: readonly RequestLog[],
  rules: readonly LimitRule[],
  clockMs: number,
): ChargeDecision {
  // A clock that was set back must not make past requests look like future ones.
  const nowMs = Math.max(clockMs, ...logs.map((log) => log.at(-1)?.atMs ?? 0));
  const current = rules.map((rule, index) => withoutExpired(logs[index] ?? [], rule, nowMs));
  const refusing = rules
    .map((rule, index) => budgetOf(rule, current[index] ?? [], nowMs))
    .filter((budget) => budget.remaining === 0)
    .sort((one, other) => other.resetSeconds - one.resetSeconds)[0];

  if (refusing !== undefined) {
    return {
      logs: current,
      answer: {
        kind: "refused",
        by: refusing.name,
        retryAfterSeconds: refusing.resetSeconds,
        budgets: rules.map((rule, index) => budgetOf(rule, current[index] ?? [], nowMs)),
      },
    };
  }
  const charged = rules.map((rule, index) => withOneMore(current[index] ?? [], rule, nowMs));
  const budgets = rules.map((rule, index) => budgetOf(rule, charged[index] ?? [], nowMs));
  assert(
    budgets.every(({ remaining }) => remaining >= 0),
    "no limit admits more than its number",
  );
  return { logs: charged, answer: { kind: "admitted", budgets } };
}

/** When the log's last request stops counting, in milliseconds; 0 for an empty one. */
export function endsAtMs(log: RequestLog, seconds: number): number {
  return (log.at(-1)?.atMs ?? -seconds * 1000) + seconds * 1000;
}

function withoutExpired(log: RequestLog, rule: LimitRule, nowMs: number): RequestLog {
  return log.filter(({ atMs }) => atMs + rule.seconds * 1000 > nowMs);
}

function withOneMore(log: RequestLog, rule: LimitRule, nowMs: number): RequestLog {
  const slotMs = rule.limit <= EXACT_MAX ? 1 : Math.ceil((rule.seconds * 1000) / EXACT_MAX);
  const last = log.at(-1);
  const sharesSlot = last !== undefined && Math.floor(last.atMs / slotMs) === Math.floor(nowMs / slotMs);
  return sharesSlot
    ? [...log.slice(0, -1), { atMs: nowMs, count: last.count + 1 }]
    : [...log, { atMs: nowMs, count: 1 }];
}

function budgetOf(rule: LimitRule, log: RequestLog, nowMs: number): Budget {
  const used = log.reduce((sum, { count }) => sum + count, 0);
  const remaining = Math.max(0, rule.limit - used);
  const firstFreeMs = (log[0]?.atMs ?? nowMs) + rule.seconds * 1000;
  return { ...rule, remaining, resetSeconds: Math.ceil((firstFreeMs - nowMs) / 1000) };
}
