/**
 * The way to the objects and stores: how they are named, and what their silence means. The
 * platform itself retries a call that provably did not run; we never retry on top, and an answer
 * that does not come is an outage, decided closed by whoever asked.
 */
import { ALERT_DESK_NAME, type AlertDeskContract } from "../schema/alerts.ts";
import { GLOBAL_EPOCH_NAME, type GlobalEpochContract } from "../schema/global-epoch.ts";
import type { UserId } from "../schema/ids.ts";
import type { IpGuardContract } from "../schema/ip-guard.ts";
import type { UserAuthorityContract } from "../schema/user-authority.ts";
import { Outage } from "./http/problems.ts";

/** The one object that judges this user's sessions. The id must come from a verified token or from D1. */
export function userAuthority(env: Env, userId: UserId): UserAuthorityContract {
  return env.USER_AUTHORITY.getByName(String(userId));
}

/**
 * The object that counts guesses at a name that nobody has, as a user's object counts guesses at a
 * user. `key` is a keyed hash of the normalised name: all its spellings share one.
 */
export function nameAuthority(env: Env, key: string): UserAuthorityContract {
  return env.USER_AUTHORITY.getByName(`name:${key}`);
}

/**
 * The object that keeps what was asked for by an e-mail address, whether an account holds it or not.
 * `key` is a keyed hash of the address as it is compared.
 */
export function addressAuthority(env: Env, key: string): UserAuthorityContract {
  return env.USER_AUTHORITY.getByName(`email:${key}`);
}

/** The one object that judges how often this address (`addressKey`) may ask. */
export function ipGuard(env: Env, address: string): IpGuardContract {
  return env.IP_GUARD.getByName(address);
}

/** The one object that can end everything. Never asked for one request alone: see `era.ts`. */
export function globalEpoch(env: Env): GlobalEpochContract {
  return env.GLOBAL_EPOCH.getByName(GLOBAL_EPOCH_NAME);
}

/** The one object that tells people. Never asked for a request. */
export function alertDesk(env: Env): AlertDeskContract {
  return env.ALERT_DESK.getByName(ALERT_DESK_NAME);
}

/**
 * Awaits an answer of `part`; its failure becomes an `Outage` (503 with `Retry-After`). An error
 * that the object's own code threw is our bug and stays one (500).
 */
export async function reach<Answer>(part: string, ask: () => PromiseLike<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    if (isOwnBug(error)) throw error;
    throw new Outage(part, error);
  }
}

function isOwnBug(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return Reflect.get(error, "remote") === true && Reflect.get(error, "durableObjectReset") !== true;
}
