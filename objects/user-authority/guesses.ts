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
import { accountLocked, accountUnlocked, type LockingAttempt, mfaFailed } from "./events.ts";
import {
  decideReserve,
  decideSettle,
  isForgettable,
  isReminderDue,
  type Lockout,
  lockoutAt,
  lockoutLookAt,
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

  /** One row written, or none if refused: but past the ceiling, now and then, four for a fresh link. `epoch`: the account's, or 0. */
  reserve(command: ReserveAttempt, epoch: number, turn: Turn): ReserveAnswer {
    const { ticket, userId, client, requestId } = command;
    const track = trackOf(command.track, this.#tracks());
    const current = this.#current(track, turn);
    const attempt = { ticket, userId, client, requestId };
    const { answer, lockout } = decideReserve(current, attempt, turn.now, turn.policy);
    if (answer.kind === "locked") {
      if (answer.untilUnlocked && isReminderDue(lockout, turn.now, turn.policy))
        this.#write(track, this.#mailLink(command, lockout, turn), turn);
      return answer;
    }
    this.#write(track, lockout, turn);
    return { kind: "reserved", track, at: turn.now, epoch };
  }

  /** One row written; one more for each event, of a wrong code and of a lock, three for its mail, and an alarm. */
  settle(command: SettleAttempt, turn: Turn): void {
    const { now, nowMs, policy } = turn;
    const current = this.#current(command.track, turn);
    const { lockout, hasFailed, hasLocked } = decideSettle(current, command, now, policy);
    this.#write(command.track, hasLocked ? this.#tellLock(command, lockout, turn) : lockout, turn);
    if (!hasFailed || command.outcome !== "wrong_code") return;
    this.#outbox.appendEvent(mfaFailed(command, now));
    this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
  }

  /** The attempt of a login, if one was needed: it succeeded as a whole, or was overtaken and is no guess. */
  settleLogin(
    { attempt, user, client, requestId }: OpenSession,
    outcome: "success" | "not_tried",
    turn: Turn,
  ): void {
    if (attempt === null) return;
    this.settle({ ...attempt, outcome, userId: user.id, client, requestId }, turn);
  }

  /** Frees every track, also past the ceiling. False if there was none to free. */
  unlock(command: Origin & { userId: number; note: string }, { now, nowMs }: Turn): boolean {
    const { rowsWritten } = this.#sql.exec("DELETE FROM lockouts");
    if (rowsWritten === 0) return false;
    this.#outbox.appendEvent(accountUnlocked(command, now));
    this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
    return true;
  }

  /** The password has changed: no client is known by a token from before, so none keeps a place among the ten. */
  forgetDevices(): void {
    this.#sql.exec("DELETE FROM lockouts WHERE track <> 'strangers'");
  }

  /** Fails what was never settled, forgets what has passed; true if anything is left. */
  expire(turn: Turn): boolean {
    for (const track of this.#tracks()) this.#write(track, this.#current(track, turn), turn);
    return this.#sql.exec("SELECT 1 FROM lockouts LIMIT 1").toArray().length > 0;
  }

  /** The track as it stands now. A lock by what was never settled is told here, whoever finds it. */
  #current(track: Track, turn: Turn): Lockout {
    const { lockout, lockedBy } = lockoutAt(this.#read(track), turn.now, turn.policy);
    if (lockedBy?.asked === undefined) return lockout;
    const told = this.#tellLock({ ...lockedBy.asked, ticket: lockedBy.ticket, track }, lockout, turn);
    this.#write(track, told, turn);
    return told;
  }

  /** An event, and a link to the owner; the lockout with what that changes. */
  #tellLock(attempt: LockingAttempt, lockout: Lockout, turn: Turn): Lockout {
    const isFinal = lockout.consecutive >= turn.policy.lockoutCeiling;
    this.#outbox.appendEvent(accountLocked(attempt, lockout, isFinal, turn.now));
    this.#wakeUp.noLaterThan(turn.nowMs + DELIVERY_DELAY_MS, turn.nowMs);
    return this.#mailLink(attempt, lockout, turn);
  }

  /** Too many an hour, and the next one who is refused past the ceiling asks again. */
  #mailLink({ ticket: id, userId: whose }: LockingAttempt, lockout: Lockout, turn: Turn): Lockout {
    const userId = whose === null ? null : asUserId(whose);
    if (userId === null) return { ...lockout, remindedAt: turn.now };
    const { kind } = this.#mails.order({ id, mail: { kind: "account_unlock", userId } }, turn);
    return kind === "ordered" ? { ...lockout, remindedAt: turn.now } : lockout;
  }

  #tracks(): Track[] {
    const rows = this.#sql.exec<{ track: Track }>("SELECT track FROM lockouts").toArray();
    return rows.map(({ track }) => track);
  }

  #read(track: Track): Lockout {
    const [row] = this.#sql
      .exec<{ state: string }>("SELECT state FROM lockouts WHERE track = ?", track)
      .toArray();
    return row === undefined ? UNLOCKED : { ...UNLOCKED, ...(JSON.parse(row.state) as Lockout) };
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
    const lookAt = lockoutLookAt(lockout, policy);
    if (lookAt !== null) this.#wakeUp.noLaterThan(lookAt * 1000, nowMs);
  }
}
