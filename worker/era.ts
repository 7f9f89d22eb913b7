/**
 * The global epoch as this isolate knows it. It asks the one object at most once in a few seconds
 * and renews in the background, so that no request waits for it while traffic flows.
 *
 * A revocation of everyone is answered only after every lease has run out (`ERA_LEASE_MS`), so
 * what is answered after it knows of it. While the object cannot be reached nobody can revoke
 * everyone either; then the last known value holds, with KV's beside it for a location that is
 * cut off by itself.
 */
import { z } from "zod";
import { ERA_LEASE_MS } from "../schema/global-epoch.ts";
import { log } from "../schema/log.ts";
import { GLOBAL_REVOCATION_KEY } from "../schema/revocation.ts";
import { isFresh, type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import { globalEpoch } from "./authorities.ts";
import { readClockMs } from "./context.ts";

const RENEW_AFTER_MS = ERA_LEASE_MS / 2;
const KV_CACHE_TTL_SECONDS = 30;
const kvValue = z.object({ before: z.int().nonnegative() });

const KV_FRESH_MS = 5000;

/** Beside a renewal under way, nobody asks again so soon. */
const RENEWAL_MS = 1000;

let renewedAtMs = Number.NEGATIVE_INFINITY;
let known: { before: NumericDate; askedAtMs: number } | null = null;
let knownByKv = { before: 0, readAtMs: Number.NEGATIVE_INFINITY };

/** The moment before which every token is dead; 0 if there is none. */
export async function revokedBefore(
  env: Env,
  ctx: Pick<ExecutionContext, "waitUntil">,
): Promise<NumericDate> {
  const nowMs = readClockMs();
  if (known !== null && isFresh(known.askedAtMs, nowMs, RENEW_AFTER_MS)) return known.before;
  if (known !== null && isFresh(known.askedAtMs, nowMs, ERA_LEASE_MS)) {
    if (!isFresh(renewedAtMs, nowMs, RENEWAL_MS)) {
      renewedAtMs = nowMs;
      ctx.waitUntil(renew(env));
    }
    return known.before;
  }
  return renew(env);
}

/** The same as KV knows it, read at most once in five seconds, for callers who must not wait for an object. */
export async function revokedBeforeByKv(env: Env): Promise<NumericDate> {
  const nowMs = readClockMs();
  if (!isFresh(knownByKv.readAtMs, nowMs, KV_FRESH_MS)) {
    const value = await env.REVOCATIONS.get(GLOBAL_REVOCATION_KEY, {
      type: "json",
      cacheTtl: KV_CACHE_TTL_SECONDS,
    });
    const before = value === null ? 0 : kvValue.parse(value).before;
    knownByKv = { before: Math.max(knownByKv.before, before), readAtMs: nowMs };
  }
  return Math.max(known?.before ?? 0, knownByKv.before);
}

/** Remembers a revocation of everyone that this isolate has just asked for. */
export function noteRevokedBefore(before: NumericDate): void {
  known = { before: Math.max(known?.before ?? 0, before), askedAtMs: known?.askedAtMs ?? 0 };
}

async function renew(env: Env): Promise<NumericDate> {
  const askedAtMs = readClockMs();
  let before: NumericDate;
  try {
    before = await globalEpoch(env).current();
  } catch {
    log(toIso(toNumericDate(askedAtMs)), { level: "error", event: "global_epoch_unavailable" });
    before = await revokedBeforeByKv(env).catch(() => 0);
  }
  known = { before: Math.max(known?.before ?? 0, before), askedAtMs };
  return known.before;
}
