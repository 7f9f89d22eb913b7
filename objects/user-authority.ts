/**
 * `UserAuthority`: the only judge of one user's sessions. A thin shell: each command is one
 * synchronous turn in one transaction (load, decide, apply, append to the outbox), and the alarm
 * delivers, forgets what has expired, and empties an object that nobody needs.
 *
 * It holds no secret, makes no id and hashes nothing; ids come in with the command.
 */
import { DurableObject } from "cloudflare:workers";
import type { Reservation, Wish } from "../schema/limits.ts";
import type { ReserveAnswer, ReserveAttempt, SettleAttempt } from "../schema/lockout.ts";
import { log } from "../schema/log.ts";
import type { MailAnswer, MailOrder } from "../schema/mail.ts";
import type { SpendCode, SpendCodeAnswer } from "../schema/mfa.ts";
import { USER_AUTHORITY_TABLES } from "../schema/object-tables.ts";
import { toIso, toNumericDate } from "../schema/time.ts";
import type * as contract from "../schema/user-authority.ts";
import { LimitsTable } from "./limits-table.ts";
import { Mails } from "./mails.ts";
import { Outbox, RETRY_DELAY_MS } from "./outbox.ts";
import { policyOf } from "./policy.ts";
import { removeRecoveryCodes } from "./sinks/recovery-codes.ts";
import { writeDenial } from "./sinks/revocations.ts";
import { readUser } from "./sinks/users.ts";
import { TablesOnDemand } from "./tables.ts";
import { AdoptedTable } from "./user-authority/adopted-table.ts";
import { Changes } from "./user-authority/changes.ts";
import { Guesses } from "./user-authority/guesses.ts";
import { decideHistories } from "./user-authority/histories.ts";
import { REVOKED, Sessions, UNKNOWN } from "./user-authority/sessions.ts";
import { UserAuthorityState } from "./user-authority/state.ts";
import type { Turn } from "./user-authority/turn.ts";
import { UsedCodesTable } from "./user-authority/used-codes.ts";
import { WakeUp } from "./wake-up.ts";

const SPENT = { kind: "denied", reason: "spent" } as const;

export class UserAuthority extends DurableObject<Env> implements contract.UserAuthorityContract {
  readonly #state: UserAuthorityState;
  readonly #limits: LimitsTable;
  readonly #outbox: Outbox;
  readonly #guesses: Guesses;
  readonly #sessions: Sessions;
  readonly #usedCodes: UsedCodesTable;
  readonly #mails: Mails;
  readonly #changes: Changes;
  readonly #wakeUp: WakeUp;
  readonly #tables: TablesOnDemand;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    this.#state = new UserAuthorityState(sql);
    this.#outbox = new Outbox(sql);
    this.#wakeUp = new WakeUp(ctx.storage);
    this.#tables = new TablesOnDemand(ctx.storage, USER_AUTHORITY_TABLES, this.#wakeUp);
    this.#limits = new LimitsTable(sql);
    this.#mails = new Mails(sql, this.#limits, this.#wakeUp);
    this.#guesses = new Guesses(sql, this.#outbox, this.#mails, this.#wakeUp);
    const adopted = new AdoptedTable(sql);
    this.#sessions = new Sessions(this.#state, adopted, this.#limits, this.#outbox, this.#wakeUp);
    this.#changes = new Changes(sql, {
      sessions: this.#sessions,
      guesses: this.#guesses,
      mails: this.#mails,
      outbox: this.#outbox,
      wakeUp: this.#wakeUp,
    });
    this.#usedCodes = new UsedCodesTable(sql, this.#outbox, this.#wakeUp);
    void ctx.blockConcurrencyWhile(() => this.#wakeUp.load());
  }

  /** Charges a guess at a password or code before it is looked at. */
  async reserveAttempt(command: ReserveAttempt): Promise<ReserveAnswer> {
    return this.#anew((turn) => {
      return this.#guesses.reserve(command, this.#state.account()?.epoch ?? 0, turn);
    });
  }

  /** Tells how a reserved attempt went. */
  async settleAttempt(command: SettleAttempt): Promise<void> {
    return this.#known(undefined, (turn) => this.#guesses.settle(command, turn));
  }

  /** Ends every lockout of the account. */
  async unlock(command: contract.Unlock): Promise<boolean> {
    return this.#known(false, (turn) => this.#guesses.unlock(command, turn));
  }

  /**
   * Opens a session for a user whose credentials the edge has checked, uses up the code that was
   * among them, and settles their attempt: all of it or nothing.
   */
  async openSession(command: contract.OpenSession): Promise<contract.OpenSessionAnswer> {
    return this.#anew((turn) => {
      this.#changes.overtake(command.user, turn); // before anything begins that must outlive them
      const { code } = command;
      if (code !== null && this.#usedCodes.isSpent(code, turn)) return SPENT;
      const answer = this.#sessions.open(command, turn);
      if (answer.kind === "denied") {
        if (answer.reason === "stale") this.#guesses.settleLogin(command, "not_tried", turn);
        return answer;
      }
      this.#usedCodes.useAtLogin(command, turn);
      this.#guesses.settleLogin(command, "success", turn);
      if (command.mail !== undefined) this.#mails.order(command.mail, turn);
      return answer;
    });
  }

  /** Opens a session, once, for what Django gave the user; shown again, it is a token that was replaced. */
  async adopt(command: contract.Adopt): Promise<contract.AdoptAnswer> {
    return this.#anew((turn) => {
      this.#changes.overtake(command.user, turn);
      return this.#sessions.adopt(command, turn);
    });
  }

  /** Uses up a code that a session asked with, and settles its attempt; a spent one is not counted. */
  async spendCode({ use, attempt }: SpendCode): Promise<SpendCodeAnswer> {
    return this.#anew((turn) => {
      const isAccepted = this.#usedCodes.use(use, turn);
      this.#guesses.settle(isAccepted ? attempt : { ...attempt, outcome: "not_tried" }, turn);
      return { kind: isAccepted ? "accepted" : "spent" };
    });
  }

  /** Presents an authentic refresh token of this user (contract §5). One row written, or none. */
  async refresh(command: contract.Refresh): Promise<contract.RefreshAnswer> {
    return this.#known({ ...REVOKED, denial: null }, (turn) => this.#sessions.refresh(command, turn));
  }

  /**
   * Ends sessions, at the wish of one that is live or of an admin. All of them: one row, and none if
   * nothing is left that could be believed, so that asking twice is asking once.
   */
  async revoke(command: contract.Revoke): Promise<contract.RevokeAnswer> {
    const decide = (turn: Turn) => this.#sessions.revoke(command, turn);
    if (command.by === null && command.user !== undefined) return this.#anew(decide);
    return this.#known(command.by === null ? UNKNOWN : REVOKED, decide);
  }

  /** Hears of a change that D1 has made: the newest state is kept, and sessions go on or end. */
  async hearOfUser(command: contract.HearOfUser): Promise<contract.HearOfUserAnswer> {
    return this.#anew((turn) => {
      this.#changes.overtake(command.user, turn);
      return this.#sessions.hear(command, turn);
    });
  }

  /** Writes down a change that D1 is about to be asked for. */
  async beginChange(change: contract.Change): Promise<contract.BeginAnswer> {
    return this.#anew((turn) => this.#changes.begin(change, turn));
  }

  /** D1 has made it: its effects, once. */
  async endChange(command: contract.EndChange): Promise<contract.HearOfUserAnswer> {
    return this.#anew((turn) => this.#changes.end(command, turn));
  }

  /** Keeps a mail until it is handed over, unless there were too many. */
  async orderMail(order: MailOrder): Promise<MailAnswer> {
    return this.#anew((turn) => this.#mails.order(order, turn));
  }

  /** Ends everything of a user who is being deleted, and forgets all but that: exactly once. */
  async erase(command: contract.EraseUser): Promise<contract.EraseAnswer> {
    return this.#anew((turn) => this.#sessions.erase(command, turn));
  }

  /** Whether a token's session is live at this very moment, and for whom. */
  async confirm(by: contract.Bearer): Promise<contract.ConfirmAnswer> {
    return this.#known(REVOKED, (turn) => this.#sessions.confirm(by, turn));
  }

  /** What an edge may believe and spend for a few seconds without asking. One row written at most. */
  async lease(command: contract.Lease): Promise<contract.LeaseAnswer> {
    return this.#known(REVOKED, (turn) => this.#sessions.lease(command, turn));
  }

  /** The same for what Django gave the user, who may never have been seen here. */
  async leaseToDjango(command: contract.DjangoLease): Promise<contract.DjangoLeaseAnswer> {
    return this.#anew((turn) => this.#sessions.leaseToDjango(command, turn));
  }

  /** Some of the user's own limit for what no session asks: an API key. One row written at most. */
  async reserve(wish: Wish): Promise<Reservation> {
    return this.#anew(({ nowMs }) => this.#limits.reserve(wish, nowMs));
  }

  /** The user's live sessions, newest first, for a bearer whose own session is one of them, or an admin. */
  async listSessions(
    command: { by: contract.Bearer | null } & contract.Era,
  ): Promise<contract.ListSessionsAnswer> {
    const unused: contract.ListSessionsAnswer =
      command.by === null ? { kind: "sessions", sessions: [] } : REVOKED;
    return this.#known(unused, (turn) => this.#sessions.list(command, turn));
  }

  /** What happened to one of the user's sessions, also one that has ended, while it is kept. */
  async timeline(command: contract.Timeline): Promise<contract.TimelineAnswer> {
    const unused = command.by === null ? UNKNOWN : REVOKED;
    return this.#known(unused, (turn) => this.#sessions.timeline(command, turn));
  }

  /** Every session that is kept, with its timeline: what its owner takes along. */
  async sessionHistories(
    command: { by: contract.Bearer } & contract.Era,
  ): Promise<contract.SessionHistoriesAnswer> {
    return this.#known<contract.SessionHistoriesAnswer>(REVOKED, ({ now }) =>
      decideHistories(this.#sessions.account(command), this.#state.families(), command.by, now),
    );
  }

  /** Delivers, forgets, and asks to be woken again while anything is left. Never gives up. */
  override async alarm(): Promise<void> {
    this.#wakeUp.unset();
    try {
      if (!this.#tables.areThere()) return;
      await Promise.all([
        this.#outbox.deliver(this.env, this.#now(), () => this.#deliverDenial()),
        this.#mails.deliver(this.ctx.exports.Postman, () => this.#now()),
        this.#lookAtChanges(),
        this.#removeUsedCodes(),
      ]);
      const isNeeded = this.#turn((turn) => this.#expire(turn));
      if (!isNeeded) await this.#tables.deleteAll();
    } catch (error) {
      // The runtime drops an alarm after six failures; the outbox must outlive any outage. The
      // settings may be what is wrong, so this turn decides without them.
      const nowMs = this.#now();
      this.#wakeUp.noLaterThan(nowMs + RETRY_DELAY_MS, nowMs);
      log(toIso(toNumericDate(nowMs)), { level: "error", event: "alarm_failed", reason: String(error) });
    }
  }

  /** Forgets what has expired; false if nothing is left that anyone could ask for. */
  #expire(turn: Turn): boolean {
    const { nowMs } = turn;
    const nextAt = this.#sessions.expire(turn);
    const isLocked = this.#guesses.expire(turn);
    const hasUsedCodes = this.#usedCodes.expire(turn);
    const deliveryInMs = this.#outbox.nextInMs(nowMs);
    const others = [this.#mails.neededAtMs(nowMs), this.#changes.lookAtMs()].filter((at) => at !== null);
    for (const atMs of others) this.#wakeUp.noLaterThan(atMs, nowMs);
    if (deliveryInMs !== null) this.#wakeUp.noLaterThan(nowMs + deliveryInMs, nowMs);
    if (nextAt !== null) this.#wakeUp.noLaterThan(nextAt * 1000, nowMs);
    if (nextAt !== null || isLocked || hasUsedCodes || deliveryInMs !== null || others.length > 0)
      return true;
    const countsUntilMs = this.#limits.endsAtMs();
    if (countsUntilMs > nowMs) this.#wakeUp.noLaterThan(countsUntilMs, nowMs);
    return countsUntilMs > nowMs;
  }

  /** The one clock read of the object, in milliseconds. */
  #now(): number {
    return Date.now();
  }

  /** One synchronous turn in one transaction. A throw in `decide` rolls everything back. */
  #turn<Answer>(decide: (turn: Turn) => Answer): Answer {
    const nowMs = this.#now();
    const turn = { nowMs, now: toNumericDate(nowMs), policy: policyOf(this.env) };
    return this.#tables.transactionSync(nowMs, () => decide(turn));
  }

  /** A turn of an object that has been used; one that has not writes nothing and knows nobody. */
  #known<Answer>(unused: Answer, decide: (turn: Turn) => Answer): Answer {
    return this.#tables.areThere() ? this.#turn(decide) : unused;
  }

  /** A turn that may be the object's first. */
  #anew<Answer>(decide: (turn: Turn) => Answer): Answer {
    return this.#turn(decide);
  }

  /** Whether D1 has made a change that nobody has told of. */
  async #lookAtChanges(): Promise<void> {
    const userId = this.#changes.overdueUser(this.#now());
    if (userId === null) return;
    const user = await readUser(this.env.DB, userId);
    this.#turn((turn) => this.#changes.look(user, turn));
  }

  /** Takes used recovery codes out of D1, where an edge looks whether a code is one. */
  async #removeUsedCodes(): Promise<void> {
    const digests = this.#usedCodes.unremoved();
    const account = this.#state.account();
    if (account === null || digests.length === 0) return;
    await removeRecoveryCodes(this.env.DB, account.user.id, digests);
    this.#turn((turn) => this.#usedCodes.noteRemoved(digests, turn));
  }

  async #deliverDenial(): Promise<void> {
    const account = this.#state.account();
    if (account === null) return;
    const denial = this.#turn((turn) => this.#sessions.denial(account, turn));
    const { accessTokenTtlSeconds } = policyOf(this.env);
    await writeDenial(this.env.REVOCATIONS, account.user.id, denial, accessTokenTtlSeconds);
  }
}
