/**
 * `IpGuard`: the only judge of how often one client address may ask. One synchronous turn per
 * command; a refusal writes nothing; an object whose periods have all passed empties itself.
 */
import { DurableObject } from "cloudflare:workers";
import type { AbuseReport, Block, BlockAfter, Impose, Lift, OpenGuess } from "../schema/abuse.ts";
import type { GuardAnswer, GuardedReservation, IpGuardContract } from "../schema/ip-guard.ts";
import type { Budget, LimitRule, Reservation, Wish } from "../schema/limits.ts";
import { log } from "../schema/log.ts";
import { IP_GUARD_TABLES } from "../schema/object-tables.ts";
import { toIso, toNumericDate } from "../schema/time.ts";
import { stops } from "./ip-guard/blocks.ts";
import { Warden } from "./ip-guard/warden.ts";
import { LimitsTable } from "./limits-table.ts";
import { decideCharge, endsAtMs, type RequestLog } from "./rate-limit.ts";
import { writeBlock } from "./sinks/blocks.ts";
import { TablesOnDemand } from "./tables.ts";
import { WaitingLine } from "./waiting-line.ts";
import { WakeUp } from "./wake-up.ts";

/** Hashes take a tenth of a second; who has not had a turn by then is told when to come again. */
const WAIT_MS_MAX = 5000;

type Waits = { kind: "waits"; budgets: Budget[]; forSeconds: number };

export class IpGuard extends DurableObject<Env> implements IpGuardContract {
  readonly #limits: LimitsTable;
  readonly #wakeUp: WakeUp;
  readonly #warden: Warden;
  readonly #line = new WaitingLine();
  readonly #tables: TablesOnDemand;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#limits = new LimitsTable(ctx.storage.sql);
    this.#wakeUp = new WakeUp(ctx.storage);
    this.#tables = new TablesOnDemand(ctx.storage, IP_GUARD_TABLES, this.#wakeUp);
    this.#warden = new Warden(ctx.storage, env, this.#wakeUp);
    void ctx.blockConcurrencyWhile(() => this.#wakeUp.load());
  }

  async charge(rules: LimitRule[], guess: OpenGuess | null, passes = false): Promise<GuardAnswer> {
    const charge = () => this.#turn((nowMs) => this.#charge(rules, guess, passes, nowMs));
    this.#warden.close(guess?.ended ?? []);
    return this.#line.join(
      (ahead) => {
        const answer = charge();
        if (answer.kind !== "waits") return answer;
        // No more wait than the limits would admit after those ahead.
        const { name, remaining, resetSeconds } = tightestOf(answer.budgets);
        return ahead < remaining ? null : refused(name, resetSeconds, answer.budgets);
      },
      () => {
        const answer = charge();
        return answer.kind === "waits" ? refused("auth", answer.forSeconds, answer.budgets) : answer;
      },
      WAIT_MS_MAX,
    );
  }

  async reserve(wishes: Wish[], passes: boolean): Promise<GuardedReservation[]> {
    return this.#turn((nowMs) => {
      const block = passes ? null : this.#warden.block(nowMs);
      const isBanned = block?.scope === "everything";
      return wishes.map((wish) => ({
        ...this.#reserve(isBanned ? { ...wish, want: 0 } : wish, nowMs),
        ...(block === null ? {} : { block }),
      }));
    });
  }

  async report(report: AbuseReport): Promise<BlockAfter | null> {
    if (report.kind !== "ended") this.#warden.prepare();
    else if (!this.#tables.areThere()) return null;
    const block = this.#turn((nowMs) => this.#warden.report(report, nowMs));
    this.#line.move();
    if (this.#warden.hasNews()) this.ctx.waitUntil(this.#deliver()); // the alarm is only the net
    return block;
  }

  async impose(command: Impose): Promise<Block> {
    this.#warden.prepare();
    const block = this.#turn((nowMs) => this.#warden.impose(command, nowMs));
    this.#line.move();
    await this.#deliver(); // so that whoever asks for the list next finds it there
    return block;
  }

  async lift(command: Lift): Promise<boolean> {
    if (!this.#tables.areThere()) return false;
    const isLifted = this.#turn((nowMs) => this.#warden.lift(command, nowMs));
    await this.#deliver();
    return isLifted;
  }

  async ping(): Promise<true> {
    return true;
  }

  override async alarm(): Promise<void> {
    this.#wakeUp.unset();
    if (!this.#tables.areThere()) return;
    await this.#deliver();
    const isNeeded = this.#turn((nowMs) => {
      const last = Math.max(this.#warden.expire(nowMs), this.#limits.endsAtMs());
      if (last > nowMs) this.#wakeUp.noLaterThan(last, nowMs);
      return last > nowMs;
    });
    if (isNeeded) return;
    this.#warden.forget();
    await this.#tables.deleteAll();
  }

  /** `waits`: as many guesses are open as may be, `forSeconds` at the longest. Nothing is charged. */
  #charge(rules: LimitRule[], guess: OpenGuess | null, passes: boolean, nowMs: number): GuardAnswer | Waits {
    const block = passes ? null : this.#warden.block(nowMs);
    if (stops(block, guess !== null)) return { kind: "blocked", block };
    const { answer, logs } = decideCharge(
      rules.map(({ name }) => this.#limits.log(name)),
      rules,
      nowMs,
    );
    if (answer.kind === "refused") return answer;
    const view = guess === null ? null : this.#warden.open(guess, nowMs);
    if (guess !== null && view === null) {
      const budgets = answer.budgets.map((one) => ({ ...one, remaining: one.remaining + 1 }));
      return { kind: "waits", budgets, forSeconds: this.#warden.openForSeconds(nowMs) };
    }
    rules.forEach((rule, index) => {
      this.#put(rule, logs[index] ?? [], nowMs);
    });
    return { ...answer, ...(view === null ? {} : { guess: view }), ...(block === null ? {} : { block }) };
  }

  #reserve(wish: Wish, nowMs: number): Reservation {
    const reservation = this.#limits.reserve(wish, nowMs);
    this.#wakeUp.noLaterThan(Math.max(nowMs, this.#limits.endsAtMs()), nowMs);
    return reservation;
  }

  /** Tells D1 of what was decided. What fails is logged, and told again by the alarm. */
  async #deliver(): Promise<void> {
    if (!this.#warden.hasNews()) return;
    const nowMs = this.#turn((atMs) => atMs);
    try {
      // Here a denial row says that D1's list is behind; what to write there is read now.
      await this.#warden.outbox.deliver(this.env, nowMs, async () => {
        const row = this.#warden.row();
        if (row !== null) await writeBlock(this.env.DB, row);
      });
    } catch (error) {
      log(toIso(toNumericDate(nowMs)), { level: "error", event: "alarm_failed", reason: String(error) });
    }
  }

  #put(rule: LimitRule, log: RequestLog, nowMs: number): void {
    this.#limits.put(rule, log);
    this.#wakeUp.noLaterThan(Math.max(nowMs, endsAtMs(log, rule.seconds)), nowMs);
  }

  /** The one clock read of the object. A throw in `decide` rolls everything back. */
  #turn<Answer>(decide: (nowMs: number) => Answer): Answer {
    const nowMs = Date.now();
    return this.#tables.transactionSync(nowMs, () => decide(nowMs));
  }
}

function tightestOf(budgets: readonly Budget[]): Budget {
  return budgets.reduce((one, other) => (other.remaining < one.remaining ? other : one));
}

function refused(by: LimitRule["name"], retryAfterSeconds: number, budgets: Budget[]): GuardAnswer {
  return { kind: "refused", by, retryAfterSeconds, budgets };
}
