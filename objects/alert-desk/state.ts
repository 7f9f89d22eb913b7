/** The tables of `AlertDesk`, and the only SQL of them. Its methods run inside a turn. */
import type { Alert, AlertKind } from "../../schema/alerts.ts";
import { type NumericDate, toIso } from "../../schema/time.ts";
import type { AlertWindow, Gathered } from "./window.ts";

export type Message = { id: string; body: string };
export type Delivery = { failures: number; nextAtMs: number };

/** How long an alert is remembered, so that the same one is not told again. */
const SEEN_SECONDS = 86_400;
const FORGET_MAX = 500;

export class AlertDeskState {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** True for an alert that was not raised before. One row written. */
  isFirst(id: string, now: NumericDate): boolean {
    const { rowsWritten } = this.#sql.exec(
      "INSERT OR IGNORE INTO seen (id, forget_at) VALUES (?, ?)",
      id,
      now + SEEN_SECONDS,
    );
    return rowsWritten > 0;
  }

  window(kind: AlertKind): AlertWindow | null {
    return this.windows().find((one) => one.kind === kind)?.window ?? null;
  }

  windows(): { kind: AlertKind; window: AlertWindow }[] {
    return this.#sql
      .exec<{ kind: AlertKind; state: string }>("SELECT kind, state FROM windows")
      .toArray()
      .map(({ kind, state }) => ({ kind, window: JSON.parse(state) as AlertWindow }));
  }

  putWindow(kind: AlertKind, window: AlertWindow | null): void {
    if (window === null) this.#sql.exec("DELETE FROM windows WHERE kind = ?", kind);
    else
      this.#sql.exec(
        "INSERT OR REPLACE INTO windows (kind, state) VALUES (?, ?)",
        kind,
        JSON.stringify(window),
      );
  }

  appendAlert({ id, kind, at, facts }: Alert): void {
    this.#append(id, { type: `alert.${kind}`, timestamp: toIso(at), data: facts });
  }

  appendDigest(kind: AlertKind, { count, firstAt, lastAt, samples }: Gathered, now: NumericDate): void {
    const data = { count, first_at: toIso(firstAt), last_at: toIso(lastAt), samples };
    this.#append(`${kind}.digest.${now}`, { type: `alert.${kind}.digest`, timestamp: toIso(now), data });
  }

  /**
   * The message that was tried least, the oldest of those: one that is always refused holds up no
   * other. Only those of health keep their order, since the last that people hear is what they believe.
   */
  nextMessage(): Message | null {
    const query = `SELECT message_id AS id, body FROM messages
      WHERE body ->> 'type' NOT LIKE 'alert.health%'
        OR id = (SELECT min(id) FROM messages WHERE body ->> 'type' LIKE 'alert.health%')
      ORDER BY attempts, id LIMIT 1`;
    return this.#sql.exec<Message>(query).toArray()[0] ?? null;
  }

  pending(): number {
    return this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM messages").one().n;
  }

  markTried(id: string): void {
    this.#sql.exec("UPDATE messages SET attempts = attempts + 1 WHERE message_id = ?", id);
  }

  deleteMessage(id: string): void {
    this.#sql.exec("DELETE FROM messages WHERE message_id = ?", id);
  }

  delivery(): Delivery {
    const query = "SELECT failures, next_at_ms AS nextAtMs FROM delivery";
    return this.#sql.exec<Delivery>(query).toArray()[0] ?? { failures: 0, nextAtMs: 0 };
  }

  putDelivery({ failures, nextAtMs }: Delivery): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO delivery (one, failures, next_at_ms) VALUES (1, ?, ?)",
      failures,
      nextAtMs,
    );
  }

  /** Which parts failed when last heard of; empty: none. */
  failing(): string[] {
    const [row] = this.#sql.exec<{ failing: string }>("SELECT failing FROM health").toArray();
    return row === undefined ? [] : (JSON.parse(row.failing) as string[]);
  }

  putFailing(failing: readonly string[]): void {
    this.#sql.exec("INSERT OR REPLACE INTO health (one, failing) VALUES (1, ?)", JSON.stringify(failing));
  }

  comparedUntil(): NumericDate | null {
    return this.#sql.exec<{ until: NumericDate }>("SELECT until FROM compared").toArray()[0]?.until ?? null;
  }

  putComparedUntil(until: NumericDate): void {
    this.#sql.exec("INSERT OR REPLACE INTO compared (one, until) VALUES (1, ?)", until);
  }

  /** Forgets old alerts, some at a time. When the next one can be forgotten, or null. */
  forget(now: NumericDate): NumericDate | null {
    this.#sql.exec(
      "DELETE FROM seen WHERE id IN (SELECT id FROM seen WHERE forget_at <= ? LIMIT ?)",
      now,
      FORGET_MAX,
    );
    return this.#sql.exec<{ at: number | null }>("SELECT min(forget_at) AS at FROM seen").one().at;
  }

  #append(id: string, body: unknown): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO messages (message_id, body) VALUES (?, ?)",
      id,
      JSON.stringify(body),
    );
  }
}
