/**
 * A sliding log: at most `limit` requests in *any* `seconds` in a row, with no window edge to
 * double a burst at. Pure.
 *
 * A log longer than `EXACT_MAX` is kept in slots of the period's 1/128, each dated by its latest
 * request: it may then refuse for one slot too long, and never admits one too many.
 *
 * An edge that has much to admit takes a *reservation*: some of the budget at once, to be used
 * within `RESERVATION_MS`. It is dated by its end, the latest that it can be used, until the edge
 * settles it by saying how much was used, and how long after it had asked. The object heard of it
 * no earlier than it was asked for, so that whatever is counted from then on counts long enough;
 * whatever happens to the edge, no period ever holds more than the limit.
 */
import { assert } from "../schema/assert.ts";
import type { Budget, ChargeAnswer, LimitRule, Reservation, Settlement } from "../schema/limits.ts";
import { NOTHING_GRANTED, RESERVATION_MS } from "../schema/limits.ts";

/** Moments and how many requests they stand for, oldest first; `reserved` until it is settled. */
export type RequestLog = { atMs: number; count: number; reserved?: true }[];

const EXACT_MAX = 128;

/** Decides one request against all rules, `logs` in the rules' order: charged to each, or to none. */
export function decideCharge(
  logs: readonly RequestLog[],
  rules: readonly LimitRule[],
  nowMs: number,
): { answer: ChargeAnswer; logs: RequestLog[] } {
  const current = rules.map((rule, index) => withoutExpired(logs[index] ?? [], rule, nowMs));
  const before = rules.map((rule, index) => budgetOf(rule, current[index] ?? [], nowMs));
  const [refusing] = before
    .filter(({ remaining }) => remaining === 0)
    .sort((one, other) => other.resetSeconds - one.resetSeconds);
  if (refusing !== undefined) {
    const { name, resetSeconds } = refusing;
    return {
      logs: current,
      answer: { kind: "refused", by: name, retryAfterSeconds: resetSeconds, budgets: before },
    };
  }
  const charged = rules.map((rule, index) => withMore(current[index] ?? [], rule, nowMs, 1));
  const budgets = rules.map((rule, index) => budgetOf(rule, charged[index] ?? [], nowMs));
  assertWithin(rules, charged);
  return { logs: charged, answer: { kind: "admitted", budgets } };
}

/**
 * Decides a reservation of up to `want` requests, after settling earlier ones. Grants what is
 * left, perhaps nothing. A settlement of what has passed already changes nothing.
 */
export function decideReservation(
  log: RequestLog,
  rule: LimitRule,
  command: { want: number; settle: readonly Settlement[] },
  nowMs: number,
): { reservation: Reservation; log: RequestLog } {
  let current = withoutExpired(log, rule, nowMs);
  for (const settlement of command.settle) current = settled(current, rule, settlement, nowMs);
  const budget = budgetOf(rule, current, nowMs);
  const granted = Math.min(Math.max(0, command.want), budget.remaining);
  if (granted === 0) return { log: current, reservation: { id: NOTHING_GRANTED, granted, budget } };
  let endsAtMs = nowMs + RESERVATION_MS;
  while (current.some(({ atMs }) => atMs === endsAtMs)) endsAtMs += 1; // its name, so it must be its own
  const reserved = inOrder([...current, { atMs: endsAtMs, count: granted, reserved: true }]);
  assertWithin([rule], [reserved]);
  // The request that asks is counted from now on: what is told is when *it* counts no more.
  const asUsed = inOrder([...current, { atMs: nowMs, count: granted }]);
  return { log: reserved, reservation: { id: endsAtMs, granted, budget: budgetOf(rule, asUsed, nowMs) } };
}

/** When the log's last request stops counting, in milliseconds; 0 for an empty one. */
export function endsAtMs(log: RequestLog, seconds: number): number {
  const last = log.at(-1);
  return last === undefined ? 0 : last.atMs + seconds * 1000;
}

function withoutExpired(log: RequestLog, rule: LimitRule, nowMs: number): RequestLog {
  return log.filter(({ atMs }) => atMs + rule.seconds * 1000 > nowMs);
}

/** The log with `count` more at `atMs`, in that moment's slot if there is one. */
function withMore(log: RequestLog, rule: LimitRule, atMs: number, count: number): RequestLog {
  const slotMs = rule.limit <= EXACT_MAX ? 1 : Math.ceil((rule.seconds * 1000) / EXACT_MAX);
  const slot = Math.floor(atMs / slotMs);
  // A reservation must stay what it is to be settled.
  const shared = log.findIndex((one) => !one.reserved && Math.floor(one.atMs / slotMs) === slot);
  const found = log[shared];
  if (found === undefined) return inOrder([...log, { atMs, count }]);
  return inOrder(log.with(shared, { atMs: Math.max(found.atMs, atMs), count: found.count + count }));
}

/**
 * The log with what was used of a reservation in its place, each use by its own moment. Whatever is
 * said without a moment, or with an impossible one, is dated by the reservation's end; never more
 * counts than was granted, and then the latest do.
 */
function settled(log: RequestLog, rule: LimitRule, settlement: Settlement, nowMs: number): RequestLog {
  const { id, used, uses = [] } = settlement;
  const index = log.findIndex(({ atMs, reserved }) => reserved && atMs === id);
  const found = log[index];
  if (found === undefined) return log;
  const isPossible = (afterMs: number): boolean => afterMs >= 0 && afterMs <= RESERVATION_MS;
  const dated = uses.map(([afterMs, count]) => ({
    atMs: isPossible(afterMs) ? found.atMs - RESERVATION_MS + afterMs : found.atMs,
    count: Math.max(0, count),
  }));
  const undated = { atMs: found.atMs, count: Math.max(0, used - usedOf(dated)) };
  let left = found.count;
  let current = log.toSpliced(index, 1);
  for (const { atMs, count } of inOrder([...dated, undated]).reverse()) {
    const counted = Math.min(left, count);
    left -= counted;
    // It was used before it was told, whatever the moments say.
    if (counted > 0) current = withMore(current, rule, Math.min(atMs, nowMs), counted);
  }
  return current;
}

function budgetOf(rule: LimitRule, log: RequestLog, nowMs: number): Budget {
  const used = usedOf(log);
  const remaining = Math.max(0, rule.limit - used);
  // So many must stop counting before one more fits; a limit that was lowered has more in its way.
  let inTheWay = Math.max(1, used - rule.limit + 1);
  const freeing = log.find(({ count }) => {
    inTheWay -= count;
    return inTheWay <= 0;
  });
  const firstFreeMs = (freeing?.atMs ?? nowMs) + rule.seconds * 1000;
  return { ...rule, remaining, resetSeconds: Math.ceil((firstFreeMs - nowMs) / 1000) };
}

function usedOf(log: RequestLog): number {
  return log.reduce((sum, { count }) => sum + count, 0);
}

function inOrder(log: RequestLog): RequestLog {
  return log.sort((one, other) => one.atMs - other.atMs);
}

function assertWithin(rules: readonly LimitRule[], logs: readonly RequestLog[]): void {
  const isWithin = rules.every((rule, index) => usedOf(logs[index] ?? []) <= rule.limit);
  assert(isWithin, "no limit admits more than its number");
}
