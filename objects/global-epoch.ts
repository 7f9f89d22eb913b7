/**
 * `GlobalEpoch`: one object for an incident. It keeps one number, before which every token of
 * every user is dead; users' objects learn of it from the edges that ask them (`Era`).
 */
import { DurableObject } from "cloudflare:workers";
import type { GlobalEpochContract, RevokeEveryone } from "../schema/global-epoch.ts";
import { log } from "../schema/log.ts";
import { GLOBAL_EPOCH_TABLES } from "../schema/object-tables.ts";
import { type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import { DELIVERY_DELAY_MS, Outbox, RETRY_DELAY_MS } from "./outbox.ts";
import { writeGlobalDenial } from "./sinks/revocations.ts";
import { applyTables, hasTables } from "./tables.ts";
import { WakeUp } from "./wake-up.ts";

export class GlobalEpoch extends DurableObject<Env> implements GlobalEpochContract {
  readonly #outbox: Outbox;
  readonly #wakeUp: WakeUp;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#outbox = new Outbox(ctx.storage.sql);
    this.#wakeUp = new WakeUp(ctx.storage);
    void ctx.blockConcurrencyWhile(() => this.#wakeUp.load());
  }

  async current(): Promise<NumericDate> {
    return this.#revokedBefore();
  }

  async revokeEveryone(command: RevokeEveryone): Promise<NumericDate> {
    applyTables(this.ctx.storage, GLOBAL_EPOCH_TABLES);
    return this.#turn((nowMs) => {
      const now = toNumericDate(nowMs);
      // Whole seconds: what was made earlier in this one must die, too.
      const before = Math.max(this.#revokedBefore(), now + 1);
      const { reason, actor, client, requestId } = command;
      this.ctx.storage.sql.exec(
        `INSERT INTO everyone (one, revoked_before, reason) VALUES (1, ?, ?)
         ON CONFLICT (one) DO UPDATE SET revoked_before = excluded.revoked_before, reason = excluded.reason`,
        before,
        reason,
      );
      this.#outbox.appendDenial();
      this.#outbox.appendEvent({
        id: `everyone_revoked.${before}`,
        at: now,
        type: "everyone_revoked",
        userId: null,
        actor,
        sid: null,
        reason: "revoked_by_admin",
        requestId,
        client,
        details: { actor, note: reason },
      });
      this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
      return before;
    });
  }

  /** Delivers what is decided; comes back for what did not arrive, for ever. */
  override async alarm(): Promise<void> {
    this.#wakeUp.unset();
    if (!hasTables(this.ctx.storage.sql)) return;
    try {
      const nowMs = this.#now();
      await this.#outbox.deliver(this.env, nowMs, () =>
        writeGlobalDenial(this.env.REVOCATIONS, this.#revokedBefore()),
      );
      const nextInMs = this.#outbox.nextInMs(nowMs);
      if (nextInMs !== null) this.#wakeUp.noLaterThan(nowMs + nextInMs, nowMs);
    } catch (error) {
      this.#turn((nowMs) => {
        this.#wakeUp.noLaterThan(nowMs + RETRY_DELAY_MS, nowMs);
        log(toIso(toNumericDate(nowMs)), { level: "error", event: "alarm_failed", reason: String(error) });
      });
    }
  }

  #revokedBefore(): NumericDate {
    if (!hasTables(this.ctx.storage.sql)) return 0;
    const [row] = this.ctx.storage.sql
      .exec<{ at: number }>("SELECT revoked_before AS at FROM everyone")
      .toArray();
    return row?.at ?? 0;
  }

  /** The one clock read of the object, in milliseconds. */
  #now(): number {
    return Date.now();
  }

  /** One synchronous turn in one transaction. A throw in `decide` rolls everything back. */
  #turn<Answer>(decide: (nowMs: number) => Answer): Answer {
    const nowMs = this.#now();
    return this.#wakeUp.transactionSync(() => decide(nowMs));
  }
}
