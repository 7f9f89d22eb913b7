/**
 * What this isolate knows of revocations: what it decided itself, at once, and what KV says, read
 * at most every five seconds per user. It can only deny. A miss, a stale value and an outage are
 * three different answers (architecture, "Revocation").
 */

import type { AccessClaims } from "../../schema/claims.ts";
import type { UserId } from "../../schema/ids.ts";
import { type Denial, denialSchema, isDenied, mergeDenials, revocationKey } from "../../schema/revocation.ts";

const FRESH_MS = 5000;
/** The least that KV allows. */
const KV_CACHE_TTL_SECONDS = 30;
/** Users remembered by one isolate: about 2 MB. The longest unheard-of goes first. */
const ENTRIES_MAX = 10_000;

type Entry = { denial: Denial | null; readAtMs: number };
const entries = new Map<UserId, Entry>();

export type RevocationCheck = "clear" | "denied" | "unavailable";

/** Remembers a revocation that this isolate has just been told by the user's object. */
export function noteDenial(userId: UserId, denial: Denial | null): void {
  if (denial === null) return;
  const entry = entries.get(userId);
  remember(userId, { denial: mergeDenials(entry?.denial ?? null, denial), readAtMs: entry?.readAtMs ?? 0 });
}

/** Asks the isolate's memory, then KV if the memory is older than five seconds. */
export async function checkRevocation(
  kv: KVNamespace,
  claims: AccessClaims,
  nowMs: number,
): Promise<RevocationCheck> {
  const known = entries.get(claims.user_id);
  if (isDenied(known?.denial ?? null, claims)) return "denied";
  if (known !== undefined && nowMs - known.readAtMs < FRESH_MS) return "clear";
  let read: Denial | null;
  try {
    read = await readDenial(kv, claims.user_id);
  } catch {
    return "unavailable";
  }
  // What was noted while KV was being read must not be forgotten again.
  const denial = mergeDenials(entries.get(claims.user_id)?.denial ?? null, read);
  remember(claims.user_id, { denial, readAtMs: nowMs });
  return isDenied(denial, claims) ? "denied" : "clear";
}

async function readDenial(kv: KVNamespace, userId: UserId): Promise<Denial | null> {
  const value = await kv.get(revocationKey(userId), { type: "json", cacheTtl: KV_CACHE_TTL_SECONDS });
  return value === null ? null : denialSchema.parse(value);
}

function remember(userId: UserId, entry: Entry): void {
  entries.delete(userId);
  entries.set(userId, entry);
  for (const oldest of entries.keys()) {
    if (entries.size <= ENTRIES_MAX) break;
    entries.delete(oldest);
  }
}
