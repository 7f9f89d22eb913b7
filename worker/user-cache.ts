/**
 * What this isolate knows of a user: what is denied, by its own decisions, leases and KV, and
 * until when it may believe that without asking. It can only ever deny more, never less.
 */
import type { UserId } from "../schema/ids.ts";
import { type Denial, mergeDenials } from "../schema/revocation.ts";
import { type NumericDate, toNumericDate } from "../schema/time.ts";
import { BoundedMap } from "./bounded-map.ts";
import { readClockMs } from "./context.ts";
import { Pool } from "./pool.ts";

/** About 5 MB. Who is forgotten is asked for again. */
const USERS_MAX = 10_000;

export type KnownUser = {
  denial: Denial | null;
  /** When the user's object was last asked whether this denial is all there is. */
  leasedAtMs: number;
  /** When KV was last read. */
  kvReadAtMs: number;
  pool: Pool;
  /** What the object said of all that Django gave the user, when, and as of which epoch; null if it was not asked. */
  django: { endedAt: NumericDate; epoch: number; leasedAtMs: number } | null;
};

const users = new BoundedMap<UserId, KnownUser>(USERS_MAX);

/** The user's entry, made if there is none. */
export function knownUser(id: UserId): KnownUser {
  return users.touch(id, () => ({
    denial: null,
    leasedAtMs: Number.NEGATIVE_INFINITY,
    kvReadAtMs: Number.NEGATIVE_INFINITY,
    pool: new Pool(),
    django: null,
  }));
}

/** Remembers a denial that the user's object has just answered: at once, in this isolate. */
export function noteDenial(id: UserId, denial: Denial | null): void {
  const known = knownUser(id);
  known.denial = mergeDenials(known.denial, denial, toNumericDate(readClockMs()));
}
