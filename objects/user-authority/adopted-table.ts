/** What Django gave the user and was exchanged here: rows in, rows out. To be used inside a turn. */
import { asSessionId, type SessionId, type TokenId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";

export class AdoptedTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The session that came of it, or null if it was never exchanged. */
  sidOf(name: TokenId): SessionId | null {
    const [row] = this.#sql.exec<{ sid: string }>("SELECT sid FROM adopted WHERE name = ?", name).toArray();
    return row === undefined ? null : asSessionId(row.sid);
  }

  put(name: TokenId, sid: SessionId, expiresAt: NumericDate): void {
    this.#sql.exec("INSERT INTO adopted (name, sid, expires_at) VALUES (?, ?, ?)", name, sid, expiresAt);
  }

  /** Forgets what nobody can show any more; when the next one is, or null if none is left. */
  expire(now: NumericDate): NumericDate | null {
    this.#sql.exec("DELETE FROM adopted WHERE expires_at <= ?", now);
    const next = this.#sql.exec<{ at: number | null }>("SELECT min(expires_at) AS at FROM adopted").one();
    return next.at;
  }
}
