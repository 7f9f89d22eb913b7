/** Charging a request to its address's limits, and the headers that say what is left. */
import type { Budget, LimitRule, StrictLimit } from "../../schema/limits.ts";
import { log } from "../../schema/log.ts";
import { toIso } from "../../schema/time.ts";
import { ipGuard, reach } from "../authorities.ts";
import { BoundedMap } from "../bounded-map.ts";
import { type AppContext, readClockMs, serviceOf } from "../context.ts";
import { Pool } from "../pool.ts";
import { Outage, Refusal } from "./problems.ts";

const ADDRESSES_MAX = 10_000;
const pools = new BoundedMap<string, Pool>(ADDRESSES_MAX);

/**
 * Charges one request to `ip` and to `strict`, all or none. With a limit of its own it is one
 * exact object call; without, it is paid from a reservation where this isolate has one. Refused:
 * 429 with a true `Retry-After`. With the guard down, requests with a limit of their own are
 * refused (503), the rest pass and are logged (RL-06).
 */
export async function admit(c: AppContext, strict: readonly StrictLimit[]): Promise<void> {
  const { address, now, requestId, settings } = c.var.facts;
  if (settings.kind === "wrong") return; // only health gets here, and it must answer
  if (address === null) throw new Refusal("client_address_required");
  try {
    await (strict.length > 0 ? charge(c, address, strict) : spend(c, address));
  } catch (error) {
    if (!(error instanceof Outage) || strict.length > 0) throw error;
    log(toIso(now), { level: "error", event: "limits_unavailable", part: error.part, request_id: requestId });
  }
}

/** The address's own limit may be paid from a reservation also here; the strict ones never are. */
async function charge(c: AppContext, address: string, strict: readonly StrictLimit[]): Promise<void> {
  const { rates } = serviceOf(c).config;
  const pool = poolOf(address);
  const nowMs = readClockMs();
  const isPaid = pool.take(nowMs);
  const names = isPaid ? strict : (["ip", ...strict] as const);
  const rules = names.map((name) => ({ name, ...rates[name] }));
  const answer = await reach("ip_guard", () => ipGuard(c.env, address).charge(rules));
  const budget = isPaid ? pool.budget(nowMs) : null;
  c.var.budgets.push(...(budget === null ? [] : [budget]), ...answer.budgets);
  if (answer.kind === "admitted") return;
  if (isPaid) pool.putBack();
  throw new Refusal("rate_limited", { retryAfterSeconds: answer.retryAfterSeconds });
}

async function spend(c: AppContext, address: string): Promise<void> {
  const rule: LimitRule = { name: "ip", ...serviceOf(c).config.rates.ip };
  const pool = poolOf(address);
  const nowMs = readClockMs();
  const isAdmitted =
    pool.take(nowMs) ||
    (await pool.refill(rule, nowMs, false, (wish) =>
      reach("ip_guard", () => ipGuard(c.env, address).reserve({ rule, ...wish })),
    ));
  const budget = pool.budget(nowMs);
  if (budget !== null) c.var.budgets.push(budget);
  if (!isAdmitted) throw new Refusal("rate_limited", { retryAfterSeconds: budget?.resetSeconds ?? 1 });
}

const poolOf = (address: string): Pool => pools.touch(address, () => new Pool());

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) for every limit that
 * counted, and the older `X-RateLimit-*` for the one nearest its end; `Reset` is in epoch seconds.
 */
export function limitHeaders(budgets: readonly Budget[], now: number): Record<string, string> {
  const [first, ...others] = budgets;
  if (first === undefined) return {};
  const tightest = others.reduce((one, other) => (other.remaining < one.remaining ? other : one), first);
  return {
    "RateLimit-Policy": budgets.map((b) => `"${b.name}";q=${b.limit};w=${b.seconds}`).join(", "),
    RateLimit: budgets.map((b) => `"${b.name}";r=${b.remaining};t=${b.resetSeconds}`).join(", "),
    "X-RateLimit-Limit": String(tightest.limit),
    "X-RateLimit-Remaining": String(tightest.remaining),
    "X-RateLimit-Reset": String(now + tightest.resetSeconds),
  };
}
