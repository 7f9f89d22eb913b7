/**
 * How soon a revocation is felt (contract §8), as three ways to ask whether an authentic access
 * token is still good. Each can only deny; none makes a token good that its claims do not.
 */
import { assert } from "../../schema/assert.ts";
import type { AccessClaims } from "../../schema/claims.ts";
import type { Config } from "../../schema/config.ts";
import { type Budget, type LimitRule, RESERVATION_MS } from "../../schema/limits.ts";
import {
  denialSchema,
  isDenied,
  isOfEarlierEra,
  mergeDenials,
  revocationKey,
} from "../../schema/revocation.ts";
import { isFresh, toNumericDate } from "../../schema/time.ts";
import type { Bearer } from "../../schema/user-authority.ts";
import { reach, userAuthority } from "../authorities.ts";
import { readClockMs } from "../context.ts";
import { revokedBefore, revokedBeforeByKv } from "../era.ts";
import { Outage } from "../http/problems.ts";
import { Pool } from "../pool.ts";
import { isOutdated } from "../roles.ts";
import { knownUser, noteDenial } from "../user-cache.ts";

export type TierVerdict =
  /** `budget`: of the user's own limit, where the object was asked. `isBlind`: KV could not be read. */
  | { kind: "good"; budget: Budget | null; isBlind: boolean }
  | { kind: "revoked" }
  | { kind: "limited"; budget: Budget };

/** The least that KV allows. */
const KV_CACHE_TTL_SECONDS = 30;
const KV_FRESH_MS = 5000;

const good = (budget: Budget | null, isBlind = false): TierVerdict => ({ kind: "good", budget, isBlind });
const REVOKED: TierVerdict = { kind: "revoked" };

type Waiter = Pick<ExecutionContext, "waitUntil">;

/** Whose budget a question counts to: the token's user, or nobody where others ask about the user. */
export type Payer = "user" | "nobody";

/** The token's session, as its user's object wants to hear of it. */
export async function bearerFrom(claims: AccessClaims, env: Env, ctx: Waiter): Promise<Bearer> {
  return { sid: claims.sid, ep: claims.ep, revokedBefore: await revokedBefore(env, ctx) };
}

/**
 * `leased`: what the user's object said at most five seconds ago, and at once what this isolate
 * was told since. One call in five seconds, or in half of the user's limit, pays for all.
 */
export function checkLeased(
  env: Env,
  ctx: Waiter,
  config: Config,
  claims: AccessClaims,
  payer: Payer = "user",
): Promise<TierVerdict> {
  return unlessOutdated(env, ctx, claims, ask(env, ctx, config, claims, { mayLease: true, payer }));
}

/** `confirmed`: the user's object is asked about this very request. */
export function checkConfirmed(
  env: Env,
  ctx: Waiter,
  config: Config,
  claims: AccessClaims,
  payer: Payer = "user",
): Promise<TierVerdict> {
  return unlessOutdated(env, ctx, claims, ask(env, ctx, config, claims, { mayLease: false, payer }));
}

/** Whoever asks, a token whose role has other permissions by now is revoked: two questions at once. */
async function unlessOutdated(
  env: Env,
  ctx: Waiter,
  claims: AccessClaims,
  asked: Promise<TierVerdict>,
): Promise<TierVerdict> {
  const [verdict, outdated] = await Promise.all([asked, isOutdated(env, ctx, claims)]);
  return outdated ? REVOKED : verdict;
}

async function ask(
  env: Env,
  ctx: Waiter,
  config: Config,
  claims: AccessClaims,
  { mayLease, payer }: { mayLease: boolean; payer: Payer },
): Promise<TierVerdict> {
  const by = await bearerFrom(claims, env, ctx);
  const known = knownUser(claims.user_id);
  if (isOfEarlierEra(claims, by.revokedBefore) || isDenied(known.denial, claims)) return REVOKED;
  const { pool } = known;
  const rule: LimitRule = { name: "user", ...config.rates.user };
  let isPaid = payer === "nobody"; // then there is nothing to pay
  let isRefused = false;
  const lacking = (nowMs: number): Pool[] => {
    isPaid ||= pool.take(nowMs);
    return mayLease && isPaid && isFresh(known.leasedAtMs, nowMs, RESERVATION_MS) ? [] : [pool];
  };
  const askObject = async (nowMs: number): Promise<void> => {
    isPaid = await pool.refill(rule, nowMs, isPaid, async (wish) => {
      const command = { by, ...wish };
      const answer = await reach("user_authority", () => userAuthority(env, claims.user_id).lease(command));
      isRefused = answer.kind === "denied";
      if (answer.kind === "denied") return null;
      noteDenial(claims.user_id, answer.denial); // before whoever waits for this answer goes on
      known.leasedAtMs = nowMs;
      return answer.reservation;
    });
  };
  if (mayLease) {
    const full = await Pool.inTurn(readClockMs, lacking, askObject);
    // It waited for a question of an API key, which tells nothing of sessions.
    if (full !== null && isPaid) await askObject(readClockMs());
  } else {
    lacking(readClockMs());
    await askObject(readClockMs());
    lacking(readClockMs());
  }
  if (isRefused || isDenied(known.denial, claims)) return REVOKED;
  const budget = pool.budget(readClockMs());
  if (isPaid) return good(budget);
  assert(budget !== null, "whoever is refused was told of the limit");
  return { kind: "limited", budget };
}

/** `local`: the signature and KV's cache, within KV's bound; no object is asked. */
export function checkLocal(
  env: Env,
  ctx: Waiter,
  config: Config,
  claims: AccessClaims,
): Promise<TierVerdict> {
  return unlessOutdated(env, ctx, claims, askKv(env, config, claims));
}

async function askKv(env: Env, config: Config, claims: AccessClaims): Promise<TierVerdict> {
  const known = knownUser(claims.user_id);
  const nowMs = readClockMs();
  try {
    if (isOfEarlierEra(claims, await revokedBeforeByKv(env))) return REVOKED;
    if (!isFresh(known.kvReadAtMs, nowMs, KV_FRESH_MS)) {
      const key = revocationKey(claims.user_id);
      const value = await env.REVOCATIONS.get(key, { type: "json", cacheTtl: KV_CACHE_TTL_SECONDS });
      const denial = value === null ? null : denialSchema.parse(value);
      known.denial = mergeDenials(known.denial, denial, toNumericDate(nowMs));
      known.kvReadAtMs = nowMs;
    }
  } catch (error) {
    if (isDenied(known.denial, claims)) return REVOKED;
    if (config.revocationMode === "strict") throw new Outage("revocations", error);
    return good(null, true);
  }
  return isDenied(known.denial, claims) ? REVOKED : good(null);
}
