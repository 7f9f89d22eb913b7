/** Charging a request to its address's limits, and the headers that say what is left. */

import type { UserId } from "../../schema/ids.ts";
import {
  type Budget,
  type LimitRule,
  type OwnLimit,
  type Reservation,
  STRICT_LIMITS,
  type StrictLimit,
  type Wish,
} from "../../schema/limits.ts";
import { log } from "../../schema/log.ts";
import { toIso } from "../../schema/time.ts";
import { blocked, noteBlock, noteGuess, openGuess, refuseBlocked } from "../abuse.ts";
import { ipGuard, reach, userAuthority } from "../authorities.ts";
import { BoundedMap } from "../bounded-map.ts";
import { type AppContext, readClockMs, serviceOf } from "../context.ts";
import { Pool } from "../pool.ts";
import { knownUser } from "../user-cache.ts";
import { Outage, Refusal } from "./problems.ts";

/** The sieve's period, see wrangler.toml. */
const SIEVE_SECONDS = 60;
/** What of a route matters to a blocked address: see `RouteRules`. */
type Doors = { guesses?: boolean; passesBlocks?: boolean };
/** A general limit of an address, or of an API key: one that may be paid from a reservation. */
type PooledLimit = "ip" | "api_key" | Exclude<OwnLimit, StrictLimit>;

const ADDRESSES_MAX = 10_000;
const pools = new BoundedMap<string, Map<PooledLimit, Pool>>(ADDRESSES_MAX);

/**
 * Charges one request to `ip` and to `own`, all or none. With a strict limit it is one exact
 * object call; without, it is paid from reservations where this isolate has them. Refused: 429
 * with a true `Retry-After`. With the guard down, requests with a limit of their own are refused
 * (503), the rest pass and are logged (RL-06).
 */
export async function admit(
  c: AppContext,
  own: readonly OwnLimit[],
  { guesses = false, passesBlocks = false }: Doors = {},
): Promise<void> {
  const { address, isAddressTold, now, requestId, settings } = c.get("facts");
  if (settings.kind === "wrong") return; // only health gets here, and it must answer
  if (address === null) throw new Refusal("client_address_required");
  if (!passesBlocks) refuseBlocked(c, guesses);
  const strict = STRICT_LIMITS.filter((name) => own.includes(name));
  const pooled: PooledLimit[] = ["ip", ...own.filter((name) => name === "refresh")];
  try {
    await sieve(c, address);
    await (strict.length > 0
      ? charge(c, address, pooled, strict, { guesses, passesBlocks: passesBlocks || !isAddressTold })
      : spendAtAddress(c, address, pooled, passesBlocks || !isAddressTold));
  } catch (error) {
    if (!(error instanceof Outage) || own.length > 0) throw error;
    log(toIso(now), { level: "error", event: "limits_unavailable", part: error.part, request_id: requestId });
  }
}

/**
 * The platform's own limiter where it is configured: free, and counted roughly, so that it only
 * ever turns away floods. Its failure is none of ours.
 */
async function sieve(c: AppContext, address: string): Promise<void> {
  const { SIEVE } = c.env;
  if (SIEVE === undefined) return;
  const passed = await SIEVE.limit({ key: address }).catch(() => ({ success: true }));
  if (!passed.success) throw new Refusal("rate_limited", { retryAfterSeconds: SIEVE_SECONDS });
}

/** One call to the guard, for all that is not paid from a reservation. */
async function charge(
  c: AppContext,
  address: string,
  pooled: readonly PooledLimit[],
  strict: readonly StrictLimit[],
  { guesses, passesBlocks }: Required<Doors>,
): Promise<void> {
  const { rates } = serviceOf(c).config;
  const nowMs = readClockMs();
  const members = pooled.map((name) => memberOf(c, address, name));
  takeEach(members, nowMs);
  const paid = members.filter(isPaid);
  const unpaid = members.filter((member) => !isPaid(member)).map(({ rule }) => rule);
  const rules = [...unpaid, ...strict.map((name) => ({ name, ...rates[name] }))];
  const guess = guesses ? openGuess(c) : null;
  const answer = await reach("ip_guard", () => ipGuard(c.env, address).charge(rules, guess, passesBlocks));
  if (!passesBlocks) noteBlock(address, answer.block ?? null);
  if (answer.kind === "blocked") {
    putBackEach(paid);
    throw blocked(answer.block);
  }
  c.get("budgets").push(...budgetsOf(paid, nowMs), ...answer.budgets);
  if (answer.kind === "admitted") {
    if (answer.guess !== undefined) noteGuess(c, answer.guess);
    return;
  }
  putBackEach(paid);
  throw new Refusal("rate_limited", { retryAfterSeconds: answer.retryAfterSeconds });
}

/**
 * Charges one request to an API key's own limit, which an object of the key's counts, and to its
 * owner's: however many keys somebody has, they and his sessions share one budget.
 */
export async function admitApiKey(c: AppContext, keyId: string, owner: UserId): Promise<void> {
  const key = memberOf(c, `key:${keyId}`, "api_key");
  const user: Member = {
    pool: knownUser(owner).pool,
    rule: { name: "user", ...serviceOf(c).config.rates.user },
    paidAtMs: null,
  };
  await unlessDown(c, () =>
    spend(c, [key], (wishes) =>
      reach("ip_guard", () => ipGuard(c.env, `key:${keyId}`).reserve(wishes, true)),
    ),
  );
  const ofOwner = (wish: Wish) => reach("user_authority", () => userAuthority(c.env, owner).reserve(wish));
  try {
    await unlessDown(c, () => spend(c, [user], (wishes) => Promise.all(wishes.map(ofOwner))));
  } catch (error) {
    putBackEach([key].filter(isPaid)); // charged to both or to none
    throw error;
  }
}

/** With what counts down, a request without a limit of its own on guessing passes, and that is logged (RL-06). */
async function unlessDown(c: AppContext, work: () => Promise<void>): Promise<void> {
  const { now, requestId } = c.get("facts");
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Outage)) throw error;
    log(toIso(now), { level: "error", event: "limits_unavailable", part: error.part, request_id: requestId });
  }
}

/** Charges one request to the general limits of its address. */
async function spendAtAddress(
  c: AppContext,
  address: string,
  pooled: readonly PooledLimit[],
  passesBlocks: boolean,
): Promise<void> {
  const members = pooled.map((name) => memberOf(c, address, name));
  const ask = async (wishes: Wish[]): Promise<Reservation[]> => {
    const answers = await reach("ip_guard", () => ipGuard(c.env, address).reserve(wishes, passesBlocks));
    if (!passesBlocks) noteBlock(address, answers[0]?.block ?? null);
    return answers;
  };
  await spend(c, members, ask, () => {
    if (!passesBlocks) refuseBlocked(c, false); // what was just told, to this request or another, may be a ban
  });
}

/** No call while every reservation lasts; one for all that do not, by one of the requests that come at once. */
async function spend(
  c: AppContext,
  members: readonly Member[],
  ask: (wishes: Wish[]) => Promise<Reservation[]>,
  afterAnswer: () => void = () => undefined,
): Promise<void> {
  const unpaid = (): Member[] => members.filter((member) => !isPaid(member));
  const lacking = (nowMs: number): Pool[] => {
    takeEach(members, nowMs);
    return unpaid().map(({ pool }) => pool);
  };
  const full = await Pool.inTurn(readClockMs, lacking, async (nowMs) => {
    const asking = unpaid();
    const admitted = await Pool.refillEach(asking, nowMs, ask);
    asking.forEach((member, index) => {
      if (admitted[index]) member.paidAtMs = nowMs;
    });
  });
  afterAnswer();
  const nowMs = readClockMs();
  c.get("budgets").push(...budgetsOf(members, nowMs));
  const refusing = unpaid().filter(({ pool }) => full === null || pool === full);
  if (refusing.length === 0) return;
  putBackEach(members);
  const waits = refusing.map(({ pool }) => pool.budget(nowMs)?.resetSeconds ?? 1);
  throw new Refusal("rate_limited", { retryAfterSeconds: Math.max(1, ...waits) });
}

/** `paidAtMs`: when this request was taken from the pool or asked for; null if neither. */
type Member = { pool: Pool; rule: LimitRule; paidAtMs: number | null };

/** The address's pool of a limit. */
function memberOf(c: AppContext, address: string, name: PooledLimit): Member {
  const ofAddress = pools.touch(address, () => new Map());
  const pool = ofAddress.get(name) ?? new Pool();
  ofAddress.set(name, pool);
  return { pool, rule: { name, ...serviceOf(c).config.rates[name] }, paidAtMs: null };
}

function isPaid({ paidAtMs }: Member): boolean {
  return paidAtMs !== null;
}

/** Takes the request from each pool that has one left. */
function takeEach(members: readonly Member[], nowMs: number): void {
  for (const member of members) if (!isPaid(member) && member.pool.take(nowMs)) member.paidAtMs = nowMs;
}

function putBackEach(members: readonly Member[]): void {
  for (const { pool, paidAtMs } of members) if (paidAtMs !== null) pool.putBack(paidAtMs);
}

function budgetsOf(members: readonly Member[], nowMs: number): Budget[] {
  return members.map(({ pool }) => pool.budget(nowMs)).filter((budget) => budget !== null);
}

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
