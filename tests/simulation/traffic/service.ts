/**
 * The service as far as guessing is concerned: the real decisions of the guard and of the lockout,
 * on state in memory, in simulated time. An attempt is charged when it comes and settled when its
 * hash is done; what comes in between meets it open, as in the objects.
 */
import {
  decideBadToken,
  decideElsewhere,
  decideFailure,
  decideGuess,
  type Suspicions,
  suspicionsAt,
  UNSUSPECTED,
  withoutAccount,
} from "../../../objects/ip-guard/abuse.ts";
import { blockAt, decideDetected, type Standing, stops } from "../../../objects/ip-guard/blocks.ts";
import { decideCharge, type RequestLog } from "../../../objects/rate-limit.ts";
import {
  decideReserve,
  decideSettle,
  type Lockout,
  UNLOCKED,
} from "../../../objects/user-authority/lockout.ts";
import type { Config } from "../../../schema/config.ts";
import type { TokenId } from "../../../schema/ids.ts";

export type Attempt = { atMs: number; address: string; account: string; isRight: boolean; isKnown: boolean };
export type Outcome = "signed_in" | "wrong" | "rate_limited" | "account_locked" | "address_blocked";

const NOBODY = { userId: null, client: { ip: null, country: null, userAgent: null }, requestId: "" };

type Guard = {
  ip: RequestLog;
  auth: RequestLog;
  suspicions: Suspicions;
  standing: Standing | null;
  open: Set<string>;
};
type Detections = ReturnType<typeof decideBadToken>;

export class Service {
  readonly #config: Config;
  readonly #guards = new Map<string, Guard>();
  readonly #lockouts = new Map<string, Lockout>();
  #count = 0;

  constructor(config: Config) {
    this.#config = config;
  }

  /**
   * Charges an attempt. Refused, the outcome; `wait`: as many are open as may be, and it must ask again;
   * else what settles it when its hash is done.
   */
  login(attempt: Attempt): Outcome | "wait" | ((atMs: number) => Outcome) {
    const { atMs, address, account, isKnown, isRight } = attempt;
    const { abuse, rates } = this.#config;
    const guard = this.#guard(address);
    if (blockAt(guard.standing, atMs) !== null) return "address_blocked";
    const rules = [
      { name: "ip" as const, ...rates.ip },
      { name: "auth" as const, ...rates.auth },
    ];
    const { answer, logs } = decideCharge([guard.ip, guard.auth], rules, atMs);
    if (answer.kind === "refused") return "rate_limited";
    guard.suspicions = suspicionsAt(guard.suspicions, abuse, atMs);
    const view = decideGuess(guard.suspicions, guard.open.size, abuse);
    if (view.kind === "wait") return "wait";
    [guard.ip = [], guard.auth = []] = logs;
    if (!isKnown && view.onlyAccount !== null && view.onlyAccount !== account) {
      this.#apply(guard, decideElsewhere(guard.suspicions, abuse, atMs), address, atMs);
      return "address_blocked";
    }
    this.#count += 1;
    const id = String(this.#count);
    const track = isKnown ? `${account} known at ${address}` : account;
    const now = Math.floor(atMs / 1000);
    const asked = { ticket: id as TokenId, ...NOBODY };
    const reserved = decideReserve(this.#lockouts.get(track) ?? UNLOCKED, asked, now, this.#config);
    this.#lockouts.set(track, reserved.lockout);
    if (reserved.answer.kind === "locked") return "account_locked";
    guard.open.add(id);
    return (doneMs) => {
      const command = {
        ticket: id as TokenId,
        outcome: isRight ? ("success" as const) : ("failure" as const),
      };
      const lockout = this.#lockouts.get(track) ?? UNLOCKED;
      const { lockout: settled } = decideSettle(lockout, command, Math.floor(doneMs / 1000), this.#config);
      this.#lockouts.set(track, settled);
      guard.open.delete(id);
      if (isRight) guard.suspicions = withoutAccount(guard.suspicions, account);
      else if (!isKnown && !stops(blockAt(guard.standing, doneMs), true))
        this.#apply(guard, decideFailure(guard.suspicions, account, abuse, doneMs), address, doneMs);
      return isRight ? "signed_in" : "wrong";
    };
  }

  /** Looks at a forged token: false if the address is refused before; else what tells it, and whether it may be answered as bad. */
  badToken(address: string, atMs: number): false | ((doneMs: number) => boolean) {
    const guard = this.#guard(address);
    if (stops(blockAt(guard.standing, atMs), false)) return false;
    const rule = { name: "ip" as const, ...this.#config.rates.ip };
    const { answer, logs } = decideCharge([guard.ip], [rule], atMs);
    if (answer.kind === "refused") return false;
    [guard.ip = []] = logs;
    return (doneMs) => {
      if (stops(blockAt(guard.standing, doneMs), false)) return false;
      this.#apply(guard, decideBadToken(guard.suspicions, this.#config.abuse, doneMs), address, doneMs);
      return true;
    };
  }

  #apply(guard: Guard, { suspicions, detections }: Detections, address: string, atMs: number): void {
    guard.suspicions = suspicions;
    for (const detection of detections)
      guard.standing = decideDetected(guard.standing, detection, address, atMs);
  }

  #guard(address: string): Guard {
    const known = this.#guards.get(address);
    if (known !== undefined) return known;
    const guard = { ip: [], auth: [], suspicions: UNSUSPECTED, standing: null, open: new Set<string>() };
    this.#guards.set(address, guard);
    return guard;
  }
}
