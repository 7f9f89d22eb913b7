/**
 * What the world must hear of a decision, kept in the decision's own transaction and delivered
 * afterwards, at least once, by the object's alarm. Order within a kind is the order of decisions.
 *
 * An event is forgotten when it is seen in the audit trail, not when the Queue took it: whatever
 * happens to the Queue, its consumer or the machine in between, it is sent again.
 */
import { ALERT_DESK_NAME, type AlertDeskContract, auditStuck } from "../schema/alerts.ts";
import type { AuditEvent } from "../schema/audit-events.ts";
import { toNumericDate } from "../schema/time.ts";
import { arrivedIds, sendEvents } from "./sinks/audit.ts";

/** A `denial` row says only that KV is behind: what to write there is read when it is delivered. */
export type OutboxKind = "denial" | "audit";

/** Rows read for one delivery. */
const BATCH_MAX = 50;
/** From decision to delivery; revocations within it share one KV write. */
export const DELIVERY_DELAY_MS = 1000;
export const RETRY_DELAY_MS = 5000;
/** From the Queue to the audit trail it takes about a second. */
const ARRIVAL_MS = 5000;
const LOOK_AGAIN_MS_MAX = 300_000;
/** What has not arrived for so long is sent again. */
const RESEND_AFTER_MS = 60_000;

/** What waits for so long is told to people, once by each instance. */
const STUCK_AFTER_MS = 300_000;

type Sinks = Pick<Env, "AUDIT_QUEUE" | "DB" | "ALERT_DESK">;
type EventRow = { id: number; event: AuditEvent };

export class Outbox {
  readonly #sql: SqlStorage;
  /** When events were handed to the Queue. Lost with the instance: then they are sent again. */
  readonly #sentAtMs = new Map<number, number>();

  #isStuckTold = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** To be called inside the command's transaction. Costs one row written. */
  appendDenial(): void {
    this.#sql.exec("INSERT INTO outbox (kind, payload) VALUES ('denial', '')");
  }

  /** To be called inside the command's transaction. Costs one row written. */
  appendEvent(event: AuditEvent): void {
    this.#sql.exec("INSERT INTO outbox (kind, payload) VALUES ('audit', ?)", JSON.stringify(event));
  }

  isEmpty(): boolean {
    return this.#sql.exec("SELECT 1 FROM outbox LIMIT 1").toArray().length === 0;
  }

  /** How long from now until the next delivery, in milliseconds; null if nothing is left to deliver. */
  nextInMs(nowMs: number): number | null {
    if (this.isEmpty()) return null;
    const [oldest] = this.#events(1);
    const isDenialLeft = this.#rows("denial", 1).length > 0;
    if (isDenialLeft || oldest === undefined || !this.#sentAtMs.has(oldest.id)) return DELIVERY_DELAY_MS;
    // As long again as it has waited: an outage is not made worse by asking.
    const waitedMs = nowMs - oldest.event.at * 1000;
    return Math.min(Math.max(ARRIVAL_MS, waitedMs), LOOK_AGAIN_MS_MAX);
  }

  /**
   * Delivers the oldest rows of both kinds and forgets what has arrived. `writeDenial` must read
   * what it writes when it is called, so that KV never gets an older state than the last decision.
   */
  async deliver(env: Sinks, nowMs: number, writeDenial: () => Promise<void>): Promise<void> {
    await Promise.all([
      this.#deliverDenial(writeDenial),
      this.#deliverEvents(env, nowMs),
      this.#tellStuck(env, nowMs).catch(() => undefined),
    ]);
  }

  async #deliverDenial(write: () => Promise<void>): Promise<void> {
    const last = this.#rows("denial", BATCH_MAX).at(-1);
    if (last === undefined) return;
    await write();
    this.#sql.exec("DELETE FROM outbox WHERE kind = 'denial' AND id <= ?", last.id);
  }

  /** Of no consequence if it fails: many objects wait for the same thing, and each says so. */
  async #tellStuck(env: Sinks, nowMs: number): Promise<void> {
    const [oldest] = this.#events(1);
    if (this.#isStuckTold || oldest === undefined || oldest.event.at * 1000 + STUCK_AFTER_MS > nowMs) return;
    this.#isStuckTold = true;
    const desk: AlertDeskContract = env.ALERT_DESK.getByName(ALERT_DESK_NAME);
    await desk.raise([auditStuck("outbox", toNumericDate(nowMs))]);
  }

  async #deliverEvents(env: Sinks, nowMs: number): Promise<void> {
    const rows = this.#events(BATCH_MAX);
    const sent = rows.filter(({ id }) => this.#sentAtMs.has(id));
    if (sent.length > 0) await this.#forgetArrived(env.DB, sent);
    const isDue = ({ id }: EventRow) => (this.#sentAtMs.get(id) ?? 0) + RESEND_AFTER_MS <= nowMs;
    const left = new Set(this.#events(BATCH_MAX).map(({ id }) => id));
    const due = rows.filter((row) => left.has(row.id) && isDue(row));
    if (due.length === 0) return;
    await sendEvents(
      env.AUDIT_QUEUE,
      due.map(({ event }) => event),
    );
    for (const { id } of due) this.#sentAtMs.set(id, nowMs);
  }

  async #forgetArrived(db: D1Database, sent: readonly EventRow[]): Promise<void> {
    const events = sent.map(({ event }) => event);
    // A trail that cannot be read has seen nothing: it is asked again, each time later.
    const arrived = await arrivedIds(db, events).catch(() => new Set());
    for (const { id, event } of sent) {
      if (!arrived.has(event.id)) continue;
      this.#sql.exec("DELETE FROM outbox WHERE id = ?", id);
      this.#sentAtMs.delete(id);
    }
  }

  #events(limit: number): EventRow[] {
    return this.#rows("audit", limit).map(({ id, payload }) => ({
      id,
      event: JSON.parse(payload) as AuditEvent,
    }));
  }

  #rows(kind: OutboxKind, limit: number): { id: number; payload: string }[] {
    return this.#sql
      .exec<{ id: number; payload: string }>(
        "SELECT id, payload FROM outbox WHERE kind = ? ORDER BY id LIMIT ?",
        kind,
        limit,
      )
      .toArray();
  }
}
