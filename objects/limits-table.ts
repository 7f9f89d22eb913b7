/** The table `limits` of both objects: one row a limit, and nothing else knows its SQL. */
import type { LimitRule, Reservation, Wish } from "../schema/limits.ts";
import { decideReservation, endsAtMs, type RequestLog } from "./rate-limit.ts";

export class LimitsTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  log(name: string): RequestLog {
    const [row] = this.#sql.exec<{ log: string }>("SELECT log FROM limits WHERE name = ?", name).toArray();
    return row === undefined ? [] : asLog(row.log);
  }

  logs(): { name: string; seconds: number; log: RequestLog }[] {
    return this.#sql
      .exec<{ name: string; seconds: number; log: string }>("SELECT name, seconds, log FROM limits")
      .toArray()
      .map(({ name, seconds, log }) => ({ name, seconds, log: asLog(log) }));
  }

  /** Grants some of a limit, and settles what was granted before. One row written, or none. */
  reserve(wish: Wish, nowMs: number): Reservation {
    const { rule, settle } = wish;
    const { reservation, log } = decideReservation(this.log(rule.name), rule, wish, nowMs);
    if (reservation.granted > 0 || settle.length > 0) this.put(rule, log);
    return reservation;
  }

  /** When the last request of any limit stops counting, in milliseconds; 0 if none counts. */
  endsAtMs(): number {
    return Math.max(0, ...this.logs().map(({ log, seconds }) => endsAtMs(log, seconds)));
  }

  /** Costs one row written. */
  put({ name, seconds }: LimitRule, log: RequestLog): void {
    this.#sql.exec(
      `INSERT INTO limits (name, seconds, log) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET seconds = excluded.seconds, log = excluded.log`,
      name,
      seconds,
      JSON.stringify(log.flatMap(({ atMs, count, reserved }) => [atMs, reserved ? -count : count])),
    );
  }
}

/** Pairs of moment and count; a negative count is of a reservation that is not settled. */
function asLog(text: string): RequestLog {
  const flat = JSON.parse(text) as number[];
  const log: RequestLog = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const [atMs = 0, count = 0] = flat.slice(i, i + 2);
    log.push(count < 0 ? { atMs, count: -count, reserved: true } : { atMs, count });
  }
  return log;
}
