/**
 * The guard's part about abuse: open guesses (in memory: a second's worth), suspicions and the
 * block that stands, and what the world must hear of them.
 */
import type {
  AbusePolicy,
  AbuseReport,
  Block,
  BlockAfter,
  GuessView,
  Impose,
  Lift,
  OpenGuess,
} from "../../schema/abuse.ts";
import { log } from "../../schema/log.ts";
import { toIso } from "../../schema/time.ts";
import { DELIVERY_DELAY_MS, Outbox } from "../outbox.ts";
import { policyOf } from "../policy.ts";
import type { WakeUp } from "../wake-up.ts";
import {
  type Detection,
  decideBadToken,
  decideElsewhere,
  decideFailure,
  decideGuess,
  type Suspicions,
  suspicionsAt,
  suspicionsEndAtMs,
  withoutAccount,
} from "./abuse.ts";
import {
  blockAt,
  decideDetected,
  decideImposed,
  decideLifted,
  rowOf,
  type Standing,
  stops,
} from "./blocks.ts";
import { abuseDetected, addressBlocked, addressUnblocked } from "./events.ts";
import { AbuseState } from "./state.ts";

/** The dearest hash takes seconds. A guess whose edge has died is forgotten then. */
const OPEN_MS = 10_000;
const LOOK_AGAIN_MS = 600_000;

export class Warden {
  readonly #env: Env;
  readonly #state: AbuseState;
  readonly outbox: Outbox;
  readonly #wakeUp: WakeUp;
  readonly #open = new Map<string, number>();

  constructor(storage: DurableObjectStorage, env: Env, wakeUp: WakeUp) {
    this.#env = env;
    this.#state = new AbuseState(storage);
    this.outbox = new Outbox(storage.sql);
    this.#wakeUp = wakeUp;
  }

  /** What the address may not do now, or null. Reads nothing where nothing was ever reported. */
  block(nowMs: number): Block | null {
    return blockAt(this.#state.standing(), nowMs);
  }

  /** Opens a guess, or says null: it must wait for those that are open. Writes nothing. */
  open({ id, policy }: OpenGuess, nowMs: number): GuessView | null {
    for (const [open, atMs] of this.#open) if (atMs + OPEN_MS <= nowMs) this.#open.delete(open);
    const suspicions = suspicionsAt(this.#state.suspicions(), policy, nowMs);
    const decision = decideGuess(suspicions, this.#open.size, policy);
    if (decision.kind === "wait") return null;
    this.#open.set(id, nowMs);
    const { isWatched, onlyAccount } = decision;
    return { isWatched, onlyAccount };
  }

  /** These guesses have ended, and none was a failure. */
  close(ended: readonly string[]): void {
    for (const id of ended) this.#open.delete(id);
  }

  /** When the first of what is open ends at the latest, in whole seconds from now. */
  openForSeconds(nowMs: number): number {
    const [first = nowMs] = this.#open.values(); // in the order of opening
    return Math.max(1, Math.ceil((first + OPEN_MS - nowMs) / 1000));
  }

  /** To be called before the turn of a command that may write. */
  prepare(): void {
    this.#state.prepare();
  }

  report(report: AbuseReport, nowMs: number): BlockAfter | null {
    if ("guess" in report) this.#open.delete(report.guess);
    const before = this.#state.suspicions();
    const { policy } = report;
    if (report.kind === "ended") {
      if (report.proven !== null && this.#state.exists) {
        const after = withoutAccount(before, report.proven);
        if (JSON.stringify(after) !== JSON.stringify(before)) this.#putSuspicions(after, policy, nowMs);
      }
      return this.block(nowMs);
    }
    const stood = this.block(nowMs);
    if (stops(stood, report.kind !== "bad_token")) return stood;
    switch (report.kind) {
      case "failed":
        return this.#apply(decideFailure(before, report.account, policy, nowMs), report, nowMs);
      case "elsewhere":
        return this.#apply(decideElsewhere(before, policy, nowMs), report, nowMs);
      case "bad_token":
        return this.#apply(decideBadToken(before, policy, nowMs), report, nowMs);
    }
  }

  impose(command: Impose, nowMs: number): Block {
    const standing = decideImposed(this.#state.standing(), command, nowMs);
    this.#putStanding(standing, nowMs);
    this.outbox.appendEvent(addressBlocked(command, nowMs));
    return { scope: standing.scope, untilMs: standing.untilMs };
  }

  lift(command: Lift, nowMs: number): boolean {
    const lifted = decideLifted(this.#state.standing(), nowMs);
    if (lifted === null) return false;
    this.#putStanding(lifted, nowMs);
    this.outbox.appendEvent(addressUnblocked(command, nowMs));
    return true;
  }

  hasNews(): boolean {
    return this.#state.exists && !this.outbox.isEmpty();
  }

  /** The last decision about the address as D1 lists it, or null. */
  row(): ReturnType<typeof rowOf> | null {
    const standing = this.#state.standing();
    return standing === null ? null : rowOf(standing);
  }

  /** Forgets what has passed; when to look again, in milliseconds, or 0 if nothing is left. */
  expire(nowMs: number): number {
    if (!this.#state.exists) return 0;
    const deliveryInMs = this.outbox.nextInMs(nowMs);
    if (deliveryInMs !== null) return nowMs + deliveryInMs;
    // While the settings are wrong nobody is judged, and nothing is forgotten.
    const policy = policyIfAny(this.#env);
    if (policy === null) return nowMs + LOOK_AGAIN_MS;
    const suspicions = suspicionsAt(this.#state.suspicions(), policy, nowMs);
    const endsAtMs = suspicionsEndAtMs(suspicions, policy);
    if (endsAtMs <= nowMs) this.#state.delete("suspicions");
    const block = this.block(nowMs);
    if (block === null) this.#state.delete("block");
    return Math.max(endsAtMs > nowMs ? endsAtMs : 0, block?.untilMs ?? 0);
  }

  /** After the object has emptied itself. */
  forget(): void {
    this.#state.forget();
    this.#open.clear();
  }

  #apply(
    { suspicions, detections }: { suspicions: Suspicions; detections: Detection[] },
    report: AbuseReport,
    nowMs: number,
  ): BlockAfter | null {
    this.#putSuspicions(suspicions, report.policy, nowMs);
    for (const detection of detections) {
      const before = this.#state.standing();
      const standing = decideDetected(before, detection, report.address, nowMs);
      if (standing !== null && standing !== before) this.#putStanding(standing, nowMs);
      const event = abuseDetected(detection, report, report.address, nowMs);
      this.outbox.appendEvent(event);
      this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
      if (detection.action.kind === "log") continue;
      const at = toIso(event.at);
      log(at, {
        level: "warn",
        event: event.type,
        reason: detection.action.kind,
        request_id: report.requestId,
      });
    }
    const block = this.block(nowMs);
    return block === null || detections.length === 0 ? block : { ...block, isNew: true };
  }

  #putSuspicions(suspicions: Suspicions, policy: AbusePolicy, nowMs: number): void {
    this.#state.put("suspicions", suspicions);
    this.#wakeUp.noLaterThan(suspicionsEndAtMs(suspicions, policy), nowMs);
  }

  #putStanding(standing: Standing, nowMs: number): void {
    this.#state.put("block", standing);
    this.outbox.appendDenial();
    this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
  }
}

function policyIfAny(env: Env): AbusePolicy | null {
  try {
    return policyOf(env).abuse;
  } catch {
    return null;
  }
}
