/**
 * `IpGuard`: the only judge of how often one client address may ask. One synchronous turn per
 * charge; a refusal writes nothing; an object whose periods have all passed empties itself.
 */
import { DurableObject } from "cloudflare:workers";
import type { ChargeAnswer, IpGuardContract, LimitRule } from "../schema/ip-guard.ts";
import { IP_GUARD_TABLES } from "../schema/object-tables.ts";
import { decideCharge, endsAtMs } from "./ip-guard/rate-limit.ts";
import { IpGuardState } from "./ip-guard/state.ts";
import { applyTables, hasTables } from "./tables.ts";
import { WakeUp } from "./wake-up.ts";

export class IpGuard extends DurableObject<Env> implements IpGuardContract {
  readonly #state: IpGuardState;
  readonly #wakeUp: WakeUp;
  #isReady = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#state = new IpGuardState(ctx.storage.sql);
    this.#wakeUp = new WakeUp(ctx.storage);
    void ctx.blockConcurrencyWhile(() => this.#wakeUp.load());
  }

  async charge(rules: LimitRule[]): Promise<ChargeAnswer> {
    if (!this.#isReady) applyTables(this.ctx.storage, IP_GUARD_TABLES);
    this.#isReady = true;
    return this.#turn((nowMs) => {
      const { answer, logs } = decideCharge(
        rules.map(({ name }) => this.#state.log(name)),
        rules,
        nowMs,
      );
      if (answer.kind === "refused") return answer;
      rules.forEach(({ name, seconds }, index) => {
        this.#state.putLog(name, seconds, logs[index] ?? []);
        this.#wakeUp.noLaterThan(nowMs + seconds * 1000, nowMs);
      });
      return answer;
    });
  }

  async ping(): Promise<true> {
    return true;
  }

  override async alarm(): Promise<void> {
    this.#wakeUp.fired();
    if (!hasTables(this.ctx.storage.sql)) return;
    const isNeeded = this.#turn((nowMs) => {
      const ends = this.#state.logs().map(({ log, seconds }) => endsAtMs(log, seconds));
      const last = Math.max(0, ...ends);
      if (last > nowMs) this.#wakeUp.noLaterThan(last, nowMs);
      return last > nowMs;
    });
    if (isNeeded) return;
    this.#isReady = false;
    await this.ctx.storage.deleteAll(); // the alarm goes with it
  }

  /** The one clock read of the object. A throw in `decide` rolls everything back. */
  #turn<Answer>(decide: (nowMs: number) => Answer): Answer {
    const nowMs = Date.now();
    return this.ctx.storage.transactionSync(() => decide(nowMs));
  }
}
