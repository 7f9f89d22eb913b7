/**
 * `AlertDesk`: the one object that tells people of what must not wait, by webhook. What it is told
 * is kept in the same turn, thinned out (`window.ts`), and sent by its alarm until the receiver has
 * taken it. No request ever waits for it.
 */
import { DurableObject } from "cloudflare:workers";
import type { Alert, AlertDeskContract } from "../schema/alerts.ts";
import { log } from "../schema/log.ts";
import { ALERT_DESK_TABLES } from "../schema/object-tables.ts";
import { type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import { AlertDeskState } from "./alert-desk/state.ts";
import { decideClose, decideRaise } from "./alert-desk/window.ts";
import { alertWebhookOf } from "./policy.ts";
import { postWebhook } from "./sinks/webhook.ts";
import { applyTables, hasTables } from "./tables.ts";
import { WakeUp } from "./wake-up.ts";

/** More than that waiting, and new alerts are only counted. */
const PENDING_MAX = 50;
/** Sent by one alarm. */
const MESSAGES_MAX = 10;
const RETRY_MS = 5000;
const RETRY_MS_MAX = 3_600_000;
const SEND_DELAY_MS = 1000;

export class AlertDesk extends DurableObject<Env> implements AlertDeskContract {
  readonly #state: AlertDeskState;
  readonly #wakeUp: WakeUp;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#state = new AlertDeskState(ctx.storage.sql);
    this.#wakeUp = new WakeUp(ctx.storage);
    void ctx.blockConcurrencyWhile(() => this.#wakeUp.load());
  }

  async raise(alerts: Alert[]): Promise<void> {
    if (alertWebhookOf(this.env) === null) return;
    applyTables(this.ctx.storage, ALERT_DESK_TABLES);
    this.#turn((nowMs, now) => {
      for (const alert of alerts) this.#raise(alert, nowMs, now);
    });
  }

  async hearHealth({ failing, at }: { failing: string[]; at: NumericDate }): Promise<void> {
    if (alertWebhookOf(this.env) === null) return;
    applyTables(this.ctx.storage, ALERT_DESK_TABLES);
    this.#turn((nowMs, now) => {
      const parts = failing.toSorted().join(", ");
      const before = this.#state.failing().toSorted().join(", ");
      if (parts === before) return;
      this.#state.putFailing(failing);
      const kind = parts === "" ? "health_recovered" : "health_failing";
      this.#raise(
        { id: `${kind}.${at}`, kind, key: parts, at, facts: { parts: parts || before } },
        nowMs,
        now,
      );
    });
  }

  async comparedUntil(): Promise<NumericDate | null> {
    applyTables(this.ctx.storage, ALERT_DESK_TABLES);
    return this.#state.comparedUntil();
  }

  async hearComparison({ spikes, until }: { spikes: Alert[]; until: NumericDate }): Promise<void> {
    const isHeard = alertWebhookOf(this.env) !== null;
    applyTables(this.ctx.storage, ALERT_DESK_TABLES);
    this.#turn((nowMs, now) => {
      this.#state.putComparedUntil(until);
      if (isHeard) for (const spike of spikes) this.#raise(spike, nowMs, now);
    });
  }

  /** Ends windows, sends what waits, and comes back while anything is left. Never gives up. */
  override async alarm(): Promise<void> {
    this.#wakeUp.unset();
    if (!hasTables(this.ctx.storage.sql)) return;
    try {
      this.#turn((_nowMs, now) => this.#closeWindows(now));
      await this.#send();
    } catch (error) {
      this.#log("alarm_failed", error);
    }
    this.#turn((nowMs, now) => this.#plan(nowMs, now));
  }

  #raise(alert: Alert, nowMs: number, now: NumericDate): void {
    if (!this.#state.isFirst(alert.id, now)) return;
    const isBusy = this.#state.pending() >= PENDING_MAX;
    const { window, isSent } = decideRaise(this.#state.window(alert.kind), alert, now, isBusy);
    this.#state.putWindow(alert.kind, window);
    if (isSent) this.#state.appendAlert(alert);
    const { nextAtMs } = this.#state.delivery();
    this.#wakeUp.noLaterThan(
      isSent ? Math.max(nextAtMs, nowMs + SEND_DELAY_MS) : window.endsAt * 1000,
      nowMs,
    );
  }

  #closeWindows(now: NumericDate): void {
    const isBusy = this.#state.pending() >= PENDING_MAX;
    for (const { kind, window } of this.#state.windows()) {
      if (isBusy && window.gathered !== null) continue; // goes on gathering until the receiver takes something
      const closed = decideClose(window, now);
      if (closed.digest !== null) this.#state.appendDigest(kind, closed.digest, now);
      if (closed.window !== window) this.#state.putWindow(kind, closed.window);
    }
  }

  async #send(): Promise<void> {
    for (let sent = 0; sent < MESSAGES_MAX; sent += 1) {
      const nowMs = this.#now();
      const { failures, nextAtMs } = this.#state.delivery();
      const message = this.#state.nextMessage();
      if (message === null || nextAtMs > nowMs) return;
      try {
        const alertWebhook = alertWebhookOf(this.env);
        if (alertWebhook === null) throw new Error("no webhook is set any more");
        await postWebhook(alertWebhook, message, nowMs);
        this.#turn(() => {
          this.#state.deleteMessage(message.id);
          if (failures > 0) this.#state.putDelivery({ failures: 0, nextAtMs: 0 });
        });
      } catch (error) {
        this.#log("alert_not_delivered", error);
        this.#turn((laterMs) => {
          const waitMs = Math.min(RETRY_MS * 2 ** Math.min(failures, 20), RETRY_MS_MAX);
          this.#state.markTried(message.id);
          this.#state.putDelivery({ failures: failures + 1, nextAtMs: laterMs + waitMs });
        });
        return;
      }
    }
  }

  #plan(nowMs: number, now: NumericDate): void {
    const forgetAt = this.#state.forget(now);
    if (forgetAt !== null) this.#wakeUp.noLaterThan(forgetAt * 1000, nowMs);
    for (const { window } of this.#state.windows())
      this.#wakeUp.noLaterThan(Math.max(window.endsAt * 1000, nowMs + SEND_DELAY_MS), nowMs);
    if (this.#state.pending() > 0) {
      this.#wakeUp.noLaterThan(Math.max(this.#state.delivery().nextAtMs, nowMs + SEND_DELAY_MS), nowMs);
    }
  }

  #log(event: string, error: unknown): void {
    log(toIso(toNumericDate(this.#now())), { level: "error", event, reason: String(error).slice(0, 200) });
  }

  /** The one clock read of the object, in milliseconds. */
  #now(): number {
    return Date.now();
  }

  /** One synchronous turn in one transaction. A throw in `decide` rolls everything back. */
  #turn<Answer>(decide: (nowMs: number, now: NumericDate) => Answer): Answer {
    const nowMs = this.#now();
    return this.#wakeUp.transactionSync(() => decide(nowMs, toNumericDate(nowMs)));
  }
}
