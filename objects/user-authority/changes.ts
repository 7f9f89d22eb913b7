/**
 * Changes of password, e-mail or second factor that D1 is asked to make. One is written down here before D1 is
 * asked, so that its effects on sessions, lockouts and mail are certain once D1 has made it: they
 * happen when the edge says so, or when a login or other news brings a later version of the user, or
 * when the alarm looks. Its methods run inside a turn of the object.
 */
import type * as contract from "../../schema/user-authority.ts";
import type { Mails } from "../mails.ts";
import { DELIVERY_DELAY_MS, type Outbox } from "../outbox.ts";
import type { WakeUp } from "../wake-up.ts";
import { userChanged } from "./events.ts";
import type { Guesses } from "./guesses.ts";
import type { Sessions } from "./sessions.ts";
import type { Turn } from "./turn.ts";

/** D1 ends a query after 30 s: by then the change was made, or never will be. */
const LOOK_AFTER_MS = 60_000;

const PASSWORD_CHANGES: readonly contract.Change["type"][] = ["password_changed", "password_reset"];

export class Changes {
  readonly #sql: SqlStorage;
  readonly #sessions: Sessions;
  readonly #guesses: Guesses;
  readonly #mails: Mails;
  readonly #outbox: Outbox;
  readonly #wakeUp: WakeUp;

  constructor(
    sql: SqlStorage,
    parts: { sessions: Sessions; guesses: Guesses; mails: Mails; outbox: Outbox; wakeUp: WakeUp },
  ) {
    this.#sql = sql;
    this.#sessions = parts.sessions;
    this.#guesses = parts.guesses;
    this.#mails = parts.mails;
    this.#outbox = parts.outbox;
    this.#wakeUp = parts.wakeUp;
  }

  /** One row written. `stale` if a later version of the user is known: D1 would refuse it. */
  begin(change: contract.Change, { nowMs }: Turn): contract.BeginAnswer {
    const known = this.#sessions.account(change);
    if (known !== null && known.user.version > change.version) return { kind: "stale" };
    this.#sql.exec(
      "INSERT INTO changes (id, version, payload, look_at_ms) VALUES (?, ?, ?, ?)",
      change.id,
      change.version,
      JSON.stringify(change),
      nowMs + LOOK_AFTER_MS,
    );
    this.#wakeUp.noLaterThan(nowMs + LOOK_AFTER_MS, nowMs);
    return { kind: "begun" };
  }

  /**
   * The edge says which change D1 has made: others that began at the same version were refused. What
   * began at any other may have been made by whoever died before saying so, and happens first. Had
   * this one happened here already, only the news is kept.
   */
  end({ id, ...news }: contract.EndChange, turn: Turn): contract.HearOfUserAnswer {
    const settled = this.#take(news.user.version);
    const made = settled.find((change) => change.id === id);
    for (const change of settled) {
      if (change.version !== made?.version) this.#happen(change, news.user, turn);
    }
    if (made !== undefined) return this.#happen(made, news.user, turn);
    const kept = { ...news, sessions: "keep", by: null, reason: "password_changed", note: null } as const;
    return this.#sessions.hear(kept, turn);
  }

  /**
   * Somebody else brings a later version of the user than a change was begun from: any of them may
   * have been made, so that the effects of all are due. No row is written where there is none.
   */
  overtake(user: contract.UserState, turn: Turn): void {
    for (const change of this.#take(user.version)) this.#happen(change, user, turn);
  }

  /** Whose row in D1 the alarm must look at, or null. */
  overdueUser(nowMs: number): number | null {
    const [row] = this.#sql
      .exec<{ userId: number }>(
        "SELECT payload ->> 'userId' AS userId FROM changes WHERE look_at_ms <= ? LIMIT 1",
        nowMs,
      )
      .toArray();
    return row?.userId ?? null;
  }

  /** The user as D1 has it now, or null if deleted: what was begun from this version was never made. */
  look(user: contract.UserState | null, turn: Turn): void {
    if (user !== null) this.overtake(user, turn);
    this.#sql.exec("DELETE FROM changes WHERE look_at_ms <= ?", turn.nowMs);
  }

  /** When the alarm must look, in milliseconds, or null. */
  lookAtMs(): number | null {
    return this.#sql.exec<{ at: number | null }>("SELECT min(look_at_ms) AS at FROM changes").one().at;
  }

  /** Takes out all that a later version has settled: D1 refuses what begins from an older one. */
  #take(version: number): contract.Change[] {
    const rows = this.#sql
      .exec<{ payload: string }>("SELECT payload FROM changes WHERE version < ? ORDER BY version", version)
      .toArray();
    if (rows.length > 0) this.#sql.exec("DELETE FROM changes WHERE version < ?", version);
    return rows.map(({ payload }) => JSON.parse(payload) as contract.Change);
  }

  #happen(change: contract.Change, user: contract.UserState, turn: Turn): contract.HearOfUserAnswer {
    const { sessions, by, reason, note, client, requestId, revokedBefore } = change;
    const answer = this.#sessions.hear(
      { user, sessions, by, reason, note, client, requestId, revokedBefore },
      turn,
    );
    if (change.unlocks) this.#guesses.unlock({ userId: user.id, note: change.type, client, requestId }, turn);
    if (PASSWORD_CHANGES.includes(change.type)) this.#guesses.forgetDevices();
    for (const order of change.mails) this.#mails.order(order, turn);
    this.#outbox.appendEvent(userChanged(change, turn.now));
    this.#wakeUp.noLaterThan(turn.nowMs + DELIVERY_DELAY_MS, turn.nowMs);
    return answer;
  }
}
