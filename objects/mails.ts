/**
 * The mail of one user, or of one address that somebody typed: charged, kept, handed over at least
 * once and in the order of asking. It holds what a mail is about and no token.
 */
import { log } from "../schema/log.ts";
import {
  type Mail,
  type MailAnswer,
  type MailOrder,
  mailLimit,
  type PostmanContract,
} from "../schema/mail.ts";
import { toIso, toNumericDate } from "../schema/time.ts";
import type { LimitsTable } from "./limits-table.ts";
import { decideRetry } from "./mail-retry.ts";
import { DELIVERY_DELAY_MS } from "./outbox.ts";
import { decideCharge, endsAtMs } from "./rate-limit.ts";
import type { Turn } from "./user-authority/turn.ts";
import type { WakeUp } from "./wake-up.ts";

const LIMITS = ["mail_by_anyone", "mail_of_locks", "mail_by_owner", "mail_of_keys"];

type MailRow = { seq: number; id: MailOrder["id"]; mail: Mail; askedAtMs: number; attempts: number };

export class Mails {
  readonly #sql: SqlStorage;
  readonly #limits: LimitsTable;
  readonly #wakeUp: WakeUp;

  constructor(sql: SqlStorage, limits: LimitsTable, wakeUp: WakeUp) {
    this.#sql = sql;
    this.#limits = limits;
    this.#wakeUp = wakeUp;
  }

  /** Three rows written, two for a notice; none if it is limited or was ordered before and still waits. */
  order({ id, mail }: MailOrder, { nowMs }: Turn): MailAnswer {
    if (this.#sql.exec("SELECT 1 FROM mails WHERE id = ?", id).toArray().length > 0)
      return { kind: "ordered" };
    const rule = mailLimit(mail);
    if (rule !== null) {
      const { answer, logs } = decideCharge([this.#limits.log(rule.name)], [rule], nowMs);
      if (answer.kind === "refused") return { kind: "limited", retryAfterSeconds: answer.retryAfterSeconds };
      this.#limits.put(rule, logs[0] ?? []);
    }
    const { last } = this.#sql
      .exec<{ last: number | null }>("SELECT max(asked_at_ms) AS last FROM mails")
      .one();
    // No two at the same moment: which token is the newest must be told by it.
    const askedAtMs = Math.max(nowMs, (last ?? 0) + 1);
    this.#sql.exec(
      "INSERT INTO mails (id, payload, asked_at_ms, due_at_ms) VALUES (?, ?, ?, ?)",
      id,
      JSON.stringify(mail),
      askedAtMs,
      nowMs,
    );
    this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
    return { kind: "ordered" };
  }

  /**
   * Hands over what is due, one after another, and stops at the first failure: the next one would
   * meet the same outage, and denials must not wait for all of them. Never throws.
   */
  async deliver(postman: PostmanContract, clock: () => number): Promise<void> {
    for (const row of this.#due(clock())) {
      const { id, mail, askedAtMs } = row;
      const isDone = await Promise.resolve(postman.deliver({ id, mail, askedAtMs })).then(
        ({ kind }) => kind === "done",
        () => false,
      );
      if (isDone) this.#forget(row);
      else {
        this.#postpone(row, clock());
        return;
      }
    }
  }

  /** When the object is next needed for mail, in milliseconds; null if for none. Limits must be remembered. */
  neededAtMs(nowMs: number): number | null {
    const { due } = this.#sql.exec<{ due: number | null }>("SELECT min(due_at_ms) AS due FROM mails").one();
    const limits = this.#limits.logs().filter(({ name }) => LIMITS.includes(name));
    const ends = limits.map(({ log: charged, seconds }) => endsAtMs(charged, seconds));
    const ahead = [...(due === null ? [] : [Math.max(due, nowMs)]), ...ends.filter((at) => at > nowMs)];
    return ahead.length === 0 ? null : Math.min(...ahead);
  }

  #due(nowMs: number): MailRow[] {
    return this.#sql
      .exec<{ seq: number; id: string; payload: string; asked_at_ms: number; attempts: number }>(
        "SELECT * FROM mails WHERE due_at_ms <= ? ORDER BY seq",
        nowMs,
      )
      .toArray()
      .map(({ seq, id, payload, asked_at_ms, attempts }) => ({
        seq,
        id: id as MailOrder["id"],
        mail: JSON.parse(payload) as Mail,
        askedAtMs: asked_at_ms,
        attempts,
      }));
  }

  #forget({ seq }: MailRow): void {
    this.#sql.exec("DELETE FROM mails WHERE seq = ?", seq);
  }

  #postpone(row: MailRow, nowMs: number): void {
    const retryAtMs = decideRetry(row, nowMs);
    if (retryAtMs === null) {
      this.#forget(row);
      log(toIso(toNumericDate(nowMs)), { level: "error", event: "mail_given_up", reason: row.mail.kind });
      return;
    }
    this.#sql.exec(
      "UPDATE mails SET attempts = attempts + 1, due_at_ms = ? WHERE seq = ?",
      retryAtMs,
      row.seq,
    );
  }
}
