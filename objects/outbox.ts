/**
 * What the world must hear of a decision, kept in the decision's own transaction and delivered
 * afterwards, at least once, by the object's alarm. Order within a kind is the order of decisions.
 */
import type { AuditEvent } from "../schema/audit-events.ts";
import { writeEvents } from "./sinks/audit.ts";

/** A `denial` row says only that KV is behind: what to write there is read when it is delivered. */
export type OutboxKind = "denial" | "audit";

/** Rows read for one delivery. D1 takes a batch of so many in one transaction. */
const BATCH_MAX = 50;
/** From decision to delivery; revocations within it share one KV write. */
export const DELIVERY_DELAY_MS = 1000;
export const RETRY_DELAY_MS = 5000;

export class Outbox {
  readonly #sql: SqlStorage;

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

  /**
   * Delivers the oldest rows of both kinds and forgets what has arrived. `writeDenial` must read
   * what it writes when it is called, so that KV never gets an older state than the last decision.
   */
  async deliver(db: D1Database, writeDenial: () => Promise<void>): Promise<void> {
    await Promise.all([
      this.#deliver("denial", writeDenial),
      this.#deliver("audit", (payloads) =>
        writeEvents(
          db,
          payloads.map((payload) => JSON.parse(payload) as AuditEvent),
        ),
      ),
    ]);
  }

  async #deliver(kind: OutboxKind, write: (payloads: string[]) => Promise<void>): Promise<void> {
    const rows = this.#sql
      .exec<{ id: number; payload: string }>(
        "SELECT id, payload FROM outbox WHERE kind = ? ORDER BY id LIMIT ?",
        kind,
        BATCH_MAX,
      )
      .toArray();
    const last = rows.at(-1);
    if (last === undefined) return;
    await write(rows.map(({ payload }) => payload));
    this.#sql.exec("DELETE FROM outbox WHERE kind = ? AND id <= ?", kind, last.id);
  }
}
