/** Charging a request to its address's limits, and the headers that say what is left. */
import type { ChargeAnswer, LimitClass } from "../../schema/ip-guard.ts";
import { log } from "../../schema/log.ts";
import { toIso } from "../../schema/time.ts";
import { ipGuard, reach } from "../authorities.ts";
import { type AppContext, serviceOf } from "../context.ts";
import { Outage, Refusal } from "./problems.ts";

/**
 * Charges one request to `ip` and to `classes`, all or none, in one object call. Refused: 429
 * with a true `Retry-After`. With the guard down, requests of a class of their own are refused
 * (503), the rest pass and are logged (RL-06).
 */
export async function admit(c: AppContext, classes: readonly LimitClass[]): Promise<void> {
  const { address, now, requestId, settings } = c.var.facts;
  if (settings.kind === "wrong") return; // only health gets here, and it must answer
  if (address === null) throw new Refusal("client_address_required");
  const { rates } = serviceOf(c).config;
  const rules = (["ip", ...classes] as const).map((name) => ({ name, ...rates[name] }));
  let answer: ChargeAnswer;
  try {
    answer = await reach("ip_guard", () => ipGuard(c.env, address).charge(rules));
  } catch (error) {
    if (!(error instanceof Outage) || classes.length > 0) throw error;
    log(toIso(now), { level: "error", event: "limits_unavailable", part: error.part, request_id: requestId });
    return;
  }
  c.set("charge", answer);
  if (answer.kind === "refused") {
    throw new Refusal("rate_limited", { retryAfterSeconds: answer.retryAfterSeconds });
  }
}

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) for every limit that
 * counted, and the older `X-RateLimit-*` for the one nearest its end; `Reset` is in epoch seconds.
 */
export function limitHeaders(answer: ChargeAnswer, now: number): Record<string, string> {
  const tightest = answer.budgets.reduce((one, other) => (other.remaining < one.remaining ? other : one));
  return {
    "RateLimit-Policy": answer.budgets.map((b) => `"${b.name}";q=${b.limit};w=${b.seconds}`).join(", "),
    RateLimit: answer.budgets.map((b) => `"${b.name}";r=${b.remaining};t=${b.resetSeconds}`).join(", "),
    "X-RateLimit-Limit": String(tightest.limit),
    "X-RateLimit-Remaining": String(tightest.remaining),
    "X-RateLimit-Reset": String(now + tightest.resetSeconds),
  };
}
