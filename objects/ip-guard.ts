/**
 * `IpGuard`: the only judge of how often one client address may ask. One synchronous turn per
 * command; a refusal writes nothing; an object whose periods have all passed empties itself.
 */
import { DurableObject } from "cloudflare:workers";
import type { IpGuardContract } from "../schema/ip-guard.ts";
import type { ChargeAnswer, LimitRule, Reservation, Wish } from "../schema/limits.ts";
import { IP_GUARD_TABLES } from "../schema/object-tables.ts";
import { LimitsTable } from "./limits-table.ts";
import { decideCharge, decideReservation, endsAtMs, type RequestLog } from "./rate-limit.ts";
import { applyTables, hasTables } from "./tables.ts";
import { WakeUp } from "./wake-up.ts";

export class IpGuard extends DurableObject<Env> implements IpGuardContract {
  readonly #limits: LimitsTable;
  readonly #wakeUp: WakeUp;
  #isReady = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#limits = new LimitsTable(ctx.storage.sql);
    this.#wakeUp = new WakeUp(ctx.storage);
    void ctx.blockConcurrencyWhile(() => this.#wakeUp.load());
  }

  async charge(rules: LimitRule[]): Promise<ChargeAnswer> {
    return this.#turn((nowMs) => {
      const { answer, logs } = decideCharge(
        rules.map(({ name }) => this.#limits.log(name)),
        rules,
        nowMs,
      );
      if (answer.kind === "refused") return answer;
      rules.forEach((rule, index) => {
        this.#put(rule, logs[index] ?? [], nowMs);
      });
      return answer;
    });
  }

  async reserve(wishes: Wish[]): Promise<Reservation[]> {
    return this.#turn((nowMs) => wishes.map((wish) => this.#reserve(wish, nowMs)));
  }

  async ping(): Promise<true> {
    return true;
  }

  override async alarm(): Promise<void> {
    this.#wakeUp.fired();
    if (!hasTables(this.ctx.storage.sql)) return;
    const isNeeded = this.#turn((nowMs) => {
      const last = Math.max(0, ...this.#limits.logs().map(({ log, seconds }) => endsAtMs(log, seconds)));
      if (last > nowMs) this.#wakeUp.noLaterThan(last, nowMs);
      return last > nowMs;
    });
    if (isNeeded) return;
    this.#isReady = false;
    await this.ctx.storage.deleteAll(); // the alarm goes with it
  }

  #reserve(wish: Wish, nowMs: number): Reservation {
    const { rule, settle } = wish;
    const { reservation, log } = decideReservation(this.#limits.log(rule.name), rule, wish, nowMs);
    if (reservation.granted > 0 || settle.length > 0) this.#put(rule, log, nowMs);
    return reservation;
  }

  #put(rule: LimitRule, log: RequestLog, nowMs: number): void {
    this.#limits.put(rule, log);
    this.#wakeUp.noLaterThan(Math.max(nowMs, endsAtMs(log, rule.seconds)), nowMs);
  }

  /** The one clock read of the object. A throw in `decide` rolls everything back. */
  #turn<Answer>(decide: (nowMs: number) => Answer): Answer {
    if (!this.#isReady) applyTables(this.ctx.storage, IP_GUARD_TABLES);
    this.#isReady = true;
    const nowMs = Date.now();
    return this.ctx.storage.transactionSync(() => decide(nowMs));
  }
}
