/**
 * The lockouts of one account, or of one name that nobody has: loads, decides, writes, tells. Its
 * methods run inside a turn of the object.
 */
import { asUserId } from "../../schema/ids.ts";
import type { ReserveAnswer, ReserveAttempt, SettleAttempt, Track } from "../../schema/lockout.ts";
import type { OpenSession, Origin } from "../../schema/user-authority.ts";
import type { Mails } from "../mails.ts";
import type { Outbox } from "../outbox.ts";
import { DELIVERY_DELAY_MS } from "../outbox.ts";
import type { WakeUp } from "../wake-up.ts";
import { accountLocked, accountUnlocked, mfaFailed } from "./events.ts";
import {
  decideReserve,
  decideSettle,
  isForgettable,
  type Lockout,
  lockoutAt,
  lockoutKeptUntil,
  trackOf,
  UNLOCKED,
} from "./lockout.ts";
import type { Turn } from "./turn.ts";

export class Guesses {
  readonly #sql: SqlStorage;
  readonly #outbox: Outbox;
  readonly #mails: Mails;
  readonly #wakeUp: WakeUp;

  constructor(sql: SqlStorage, outbox: Outbox, mails: Mails, wakeUp: WakeUp) {
    this.#sql = sql;
    this.#outbox = outbox;
    this.#mails = mails;
    this.#wakeUp = wakeUp;
  }

  /** One row written, or none if refused. */
  reserve({ ticket, track: asked }: ReserveAttempt, turn: Turn): ReserveAnswer {
    const track = trackOf(asked, this.#tracks());
    const { answer, lockout } = decideReserve(this.#read(track), ticket, turn.now, turn.policy);
    if (answer.kind === "locked") return answer;
    this.#write(track, lockout, turn);
    return { kind: "reserved", track };
  }

  /** One row written; one more for each event, of a wrong code and of a lock, three for its mail, and an alarm. */
  settle(command: SettleAttempt, turn: Turn): void {
    const { now, nowMs, policy } = turn;
    const { lockout, hasFailed, hasLocked } = decideSettle(this.#read(command.track), command, now, policy);
    this.#write(command.track, lockout, turn);
    const hasFailedByCode = hasFailed && command.outcome === "wrong_code";
    if (hasFailedByCode) this.#outbox.appendEvent(mfaFailed(command, now));
    if (hasLocked) {
      const isFinal = lockout.consecutive >= policy.lockoutCeiling;
      this.#outbox.appendEvent(accountLocked(command, lockout, isFinal, now));
      const userId = command.userId === null ? null : asUserId(command.userId);
      const id = command.ticket;
      if (userId !== null) this.#mails.order({ id, mail: { kind: "account_unlock", userId } }, turn);
    }
    if (hasFailedByCode || hasLocked) this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
  }

  /** The attempt that a session was opened by, if one was needed, has succeeded as a whole. */
  settleSuccess({ attempt, user, client, requestId }: OpenSession, turn: Turn): void {
    if (attempt === null) return;
    this.settle({ ...attempt, outcome: "success", userId: user.id, client, requestId }, turn);
  }

  /** Frees every track, also past the ceiling. False if there was none to free. */
  unlock(command: Origin & { userId: number; note: string }, { now, nowMs }: Turn): boolean {
    const { rowsWritten } = this.#sql.exec("DELETE FROM lockouts");
    if (rowsWritten === 0) return false;
    this.#outbox.appendEvent(accountUnlocked(command, now));
    this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
    return true;
  }

  /** Fails what was never settled, forgets what has passed; true if anything is left. */
  expire(turn: Turn): boolean {
    const { now, policy } = turn;
    for (const track of this.#tracks()) this.#write(track, lockoutAt(this.#read(track), now, policy), turn);
    return this.#sql.exec("SELECT 1 FROM lockouts LIMIT 1").toArray().length > 0;
  }

  #tracks(): Track[] {
    const rows = this.#sql.exec<{ track: Track }>("SELECT track FROM lockouts").toArray();
    return rows.map(({ track }) => track);
  }

  #read(track: Track): Lockout {
    const [row] = this.#sql
      .exec<{ state: string }>("SELECT state FROM lockouts WHERE track = ?", track)
      .toArray();
    return row === undefined ? UNLOCKED : (JSON.parse(row.state) as Lockout);
  }

  #write(track: Track, lockout: Lockout, { now, nowMs, policy }: Turn): void {
    if (isForgettable(lockout, now, policy)) {
      this.#sql.exec("DELETE FROM lockouts WHERE track = ?", track);
      return;
    }
    this.#sql.exec(
      `INSERT INTO lockouts (track, state) VALUES (?, ?)
       ON CONFLICT (track) DO UPDATE SET state = excluded.state`,
      track,
      JSON.stringify(lockout),
    );
    const until = lockoutKeptUntil(lockout, policy);
    if (until !== null) this.#wakeUp.noLaterThan(until * 1000, nowMs);
  }
}
