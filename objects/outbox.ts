/**
 * What the world must hear of a decision, kept in the decision's own transaction and delivered
 * afterwards, at least once, by the object's alarm. Order within a kind is the order of decisions.
 */
import type { AuditEvent } from "../schema/audit-events.ts";

/** A `denial` row says only that KV is behind: what to write there is read when it is delivered. */
export type OutboxKind = "denial" | "audit";

/** Rows read for one delivery. D1 takes a batch of so many in one transaction. */
const BATCH_MAX = 50;

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

  /** The oldest undelivered rows of a kind. */
  pending(kind: OutboxKind): { id: number; payload: string }[] {
    return this.#sql
      .exec<{ id: number; payload: string }>(
        "SELECT id, payload FROM outbox WHERE kind = ? ORDER BY id LIMIT ?",
        kind,
        BATCH_MAX,
      )
      .toArray();
  }

  /** Forgets what has arrived: rows of this kind up to and including `id`. */
  delivered(kind: OutboxKind, id: number): void {
    this.#sql.exec("DELETE FROM outbox WHERE kind = ? AND id <= ?", kind, id);
  }

  isEmpty(): boolean {
    return this.#sql.exec("SELECT 1 FROM outbox LIMIT 1").toArray().length === 0;
  }
}
