/**
 * `UserAuthority`: the only judge of one user's sessions. A thin shell: each command is one
 * synchronous turn in one transaction (load, decide, apply, append to the outbox), and the alarm
 * delivers, forgets what has expired, and empties an object that nobody needs.
 *
 * It holds no secret, makes no id and hashes nothing; ids come in with the command.
 */
import { DurableObject } from "cloudflare:workers";
import type { AuditEvent } from "../schema/audit-events.ts";
import type { ReserveAnswer, ReserveAttempt, SettleAttempt } from "../schema/lockout.ts";
import { log } from "../schema/log.ts";
import { USER_AUTHORITY_TABLES } from "../schema/object-tables.ts";
import { type Denial, denialTtlSeconds } from "../schema/revocation.ts";
import { type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import type * as contract from "../schema/user-authority.ts";
import { LimitsTable } from "./limits-table.ts";
import { DELIVERY_DELAY_MS, Outbox, RETRY_DELAY_MS } from "./outbox.ts";
import { policyOf } from "./policy.ts";
import { decideReservation } from "./rate-limit.ts";
import { writeDenial } from "./sinks/revocations.ts";
import { applyTables, hasTables } from "./tables.ts";
import { repeatedElsewhere, sessionEnded, sessionsRevoked } from "./user-authority/events.ts";
import { decideExpiry } from "./user-authority/expiry.ts";
import { type Account, type Family, grantOf, inEra, isConfirmed, viewOf } from "./user-authority/family.ts";
import { Guesses } from "./user-authority/guesses.ts";
import { decideOpen } from "./user-authority/open-session.ts";
import { decideRefresh } from "./user-authority/refresh.ts";
import { moveEpoch } from "./user-authority/revoke.ts";
import { UserAuthorityState } from "./user-authority/state.ts";
import { timelineOf } from "./user-authority/timeline.ts";
import { WakeUp } from "./wake-up.ts";

const REVOKED = { kind: "denied", reason: "revoked" } as const;
const UNKNOWN = { kind: "denied", reason: "unknown" } as const;

export class UserAuthority extends DurableObject<Env> implements contract.UserAuthorityContract {
  readonly #state: UserAuthorityState;
  readonly #limits: LimitsTable;
  readonly #outbox: Outbox;
  readonly #guesses: Guesses;
  readonly #wakeUp: WakeUp;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#state = new UserAuthorityState(ctx.storage.sql);
    this.#limits = new LimitsTable(ctx.storage.sql);
    this.#outbox = new Outbox(ctx.storage.sql);
    this.#wakeUp = new WakeUp(ctx.storage);
    this.#guesses = new Guesses(ctx.storage.sql, this.#outbox, this.#wakeUp);
    void ctx.blockConcurrencyWhile(() => this.#wakeUp.load());
  }

  /** Charges a guess at a password or code before it is looked at. */
  async reserveAttempt(command: ReserveAttempt): Promise<ReserveAnswer> {
    applyTables(this.ctx.storage, USER_AUTHORITY_TABLES);
    return this.#turn((nowMs) => this.#guesses.reserve(command, policyOf(this.env), nowMs));
  }

  /** Tells how a reserved attempt went. */
  async settleAttempt(command: SettleAttempt): Promise<void> {
    return this.#known(undefined, (nowMs) => this.#guesses.settle(command, policyOf(this.env), nowMs));
  }

  /** Ends every lockout of the account. */
  async unlock(command: contract.Unlock): Promise<void> {
    return this.#known(undefined, (nowMs) => this.#guesses.unlock(command, nowMs));
  }

  /** Opens a session for a user whose credentials the edge has checked. */
  async openSession(command: contract.OpenSession): Promise<contract.OpenSessionAnswer> {
    applyTables(this.ctx.storage, USER_AUTHORITY_TABLES);
    return this.#turn((nowMs, now) => {
      const known = this.#account(command);
      const live = known === null ? [] : this.#state.liveFamilies(known, now);
      const decision = decideOpen(known, live, command, now, policyOf(this.env));
      if (decision.kind === "denied") return decision;
      const { account, family, evicted } = decision;
      this.#state.putAccount(account, now);
      this.#state.insertFamily(family);
      const { attempt, client, requestId } = command;
      if (attempt !== null) {
        const success = {
          ...attempt,
          outcome: "success",
          userId: account.user.id,
          client,
          requestId,
        } as const;
        this.#guesses.settle(success, policyOf(this.env), nowMs);
      }
      this.#wakeUp.noLaterThan(family.expiresAt * 1000, nowMs);
      const denial = this.#end(evicted, account, { reason: "evicted", verdict: null }, command, nowMs);
      return { kind: "opened", grant: grantOf(family, account, now), denial };
    });
  }

  /** Presents an authentic refresh token of this user (contract §5). One row written, or none. */
  async refresh(command: contract.Refresh): Promise<contract.RefreshAnswer> {
    return this.#known({ ...REVOKED, denial: null }, (nowMs, now) => {
      const account = this.#account(command);
      const family = this.#state.family(command.sid);
      const decision = decideRefresh(family, account, command, nowMs, policyOf(this.env));
      if (decision.kind === "deny" || account === null || family === null)
        return { ...REVOKED, denial: null };
      switch (decision.kind) {
        case "rotate":
          this.#state.rotateFamily(decision.family);
          return { kind: "rotated", grant: grantOf(decision.family, account, now) };
        case "repeat":
          if (decision.elsewhere) this.#tell(repeatedElsewhere(family, account, command, now), nowMs);
          return { kind: "repeated", grant: grantOf(family, account, now) };
        case "end": {
          const denial = this.#end([family], account, decision, command, nowMs);
          return { kind: "denied", reason: decision.reason === "reuse" ? "reused" : "revoked", denial };
        }
      }
    });
  }

  /**
   * Ends sessions, at the wish of one that is live or of an admin. All of them: one row, however
   * many there are; none live: nothing moves, so that asking twice is asking once.
   */
  async revoke(command: contract.Revoke): Promise<contract.RevokeAnswer> {
    return this.#known(command.by === null ? UNKNOWN : REVOKED, (nowMs, now) => {
      const { by, scope, reason } = command;
      const account = this.#account(command);
      if (account === null) return UNKNOWN;
      if (by !== null && !this.#isConfirmed(by, account, now)) return REVOKED;
      const answer = (revoked: number, to: Account): contract.RevokeAnswer => {
        return { kind: "revoked", revoked, epoch: to.epoch, at: now, denial: this.#denial(to, now) };
      };
      if (scope.kind === "all") {
        const count = this.#state.liveCount(account, now);
        if (count === 0) return answer(0, account);
        const moved = moveEpoch(account, reason, now);
        this.#state.moveEpoch(moved, now);
        this.#outbox.appendDenial();
        const asked = { by: by?.sid ?? null, reason, note: command.note };
        this.#tell(sessionsRevoked(moved, asked, command, now), nowMs);
        return answer(count, moved);
      }
      const live = this.#state.liveFamilies(account, now);
      const ending = live.filter(({ sid }) => (scope.kind === "one" ? sid === scope.sid : sid !== by?.sid));
      if (scope.kind === "one" && ending.length === 0) return UNKNOWN;
      this.#end(ending, account, { reason, verdict: null }, command, nowMs);
      return answer(ending.length, account);
    });
  }

  /** Whether a token's session is live at this very moment, and for whom. */
  async confirm(by: contract.Bearer): Promise<contract.ConfirmAnswer> {
    return this.#known(REVOKED, (_nowMs, now) => {
      const account = this.#account(by);
      const family = this.#state.family(by.sid);
      if (family === null || !isConfirmed(by, account, family, now)) return REVOKED;
      return { kind: "confirmed", user: account.user, epoch: account.epoch, newest: family.tokenId };
    });
  }

  /** What an edge may believe and spend for a few seconds without asking. One row written at most. */
  async lease(command: contract.Lease): Promise<contract.LeaseAnswer> {
    return this.#known(REVOKED, (nowMs, now) => {
      const { by, rule, settle } = command;
      const account = this.#account(by);
      if (!this.#isConfirmed(by, account, now)) return REVOKED;
      const { reservation, log: spent } = decideReservation(
        this.#limits.log(rule.name),
        rule,
        command,
        nowMs,
      );
      if (reservation.granted > 0 || settle.length > 0) this.#limits.put(rule, spent);
      return { kind: "leased", denial: this.#denial(account, now), reservation };
    });
  }

  /** The user's live sessions, newest first, for a bearer whose own session is one of them, or an admin. */
  async listSessions(
    command: { by: contract.Bearer | null } & contract.Era,
  ): Promise<contract.ListSessionsAnswer> {
    const none: contract.ListSessionsAnswer =
      command.by === null ? { kind: "sessions", sessions: [] } : REVOKED;
    return this.#known(none, (_nowMs, now) => {
      const account = this.#account(command);
      if (account === null) return none;
      if (command.by !== null && !this.#isConfirmed(command.by, account, now)) return REVOKED;
      const live = this.#state.liveFamilies(account, now);
      live.sort((one, other) => other.createdAt - one.createdAt);
      return { kind: "sessions", sessions: live.map(viewOf) };
    });
  }

  /** What happened to one of the user's sessions, also one that has ended, while it is kept. */
  async timeline(command: contract.Timeline): Promise<contract.TimelineAnswer> {
    return this.#known(command.by === null ? UNKNOWN : REVOKED, (_nowMs, now) => {
      const account = this.#account(command);
      if (command.by !== null && !this.#isConfirmed(command.by, account, now)) return REVOKED;
      const family = this.#state.family(command.sid);
      if (account === null || family === null) return UNKNOWN;
      return { kind: "timeline", events: timelineOf(family, account, now) };
    });
  }

  /** Delivers, forgets, and asks to be woken again while anything is left. Never gives up. */
  override async alarm(): Promise<void> {
    this.#wakeUp.fired();
    if (!hasTables(this.ctx.storage.sql)) return;
    try {
      await this.#outbox.deliver(this.env.DB, () => this.#deliverDenial());
      const isNeeded = this.#turn((nowMs, now) => this.#expire(nowMs, now));
      if (!isNeeded) await this.ctx.storage.deleteAll(); // the alarm goes with it
    } catch (error) {
      // The runtime drops an alarm after six failures; the outbox must outlive any outage.
      this.#turn((nowMs) => {
        this.#wakeUp.noLaterThan(nowMs + RETRY_DELAY_MS, nowMs);
        log(toIso(toNumericDate(nowMs)), { level: "error", event: "alarm_failed", reason: String(error) });
      });
    }
  }

  /** Forgets what has expired; false if nothing is left that anyone could ask for. */
  #expire(nowMs: number, now: NumericDate): boolean {
    const policy = policyOf(this.env);
    const { forget, nextAt } = decideExpiry(
      this.#state.families(),
      this.#state.epochMovedAt(),
      now,
      policy.accessTokenTtlSeconds,
    );
    for (const sid of forget) this.#state.deleteFamily(sid);
    const isLocked = this.#guesses.expire(policy, nowMs);
    if (!this.#outbox.isEmpty()) this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
    if (nextAt !== null) this.#wakeUp.noLaterThan(nextAt * 1000, nowMs);
    return nextAt !== null || isLocked || !this.#outbox.isEmpty();
  }

  /** The one clock read of the object. A throw in `decide` rolls everything back. */
  #turn<Answer>(decide: (nowMs: number, now: NumericDate) => Answer): Answer {
    const nowMs = Date.now();
    return this.ctx.storage.transactionSync(() => decide(nowMs, toNumericDate(nowMs)));
  }

  /** A turn of an object that has been used; one that has not writes nothing and knows nobody. */
  #known<Answer>(unused: Answer, decide: (nowMs: number, now: NumericDate) => Answer): Answer {
    return hasTables(this.ctx.storage.sql) ? this.#turn(decide) : unused;
  }

  #account({ revokedBefore }: contract.Era): Account | null {
    const stored = this.#state.account();
    if (stored === null || stored.revokedBefore >= revokedBefore) return stored;
    this.#state.putEra(revokedBefore);
    return inEra(stored, revokedBefore);
  }

  #isConfirmed(by: contract.Bearer, account: Account | null, now: NumericDate): account is Account {
    return isConfirmed(by, account, this.#state.family(by.sid), now);
  }

  #end(
    families: readonly Family[],
    account: Account,
    end: { reason: contract.EndReason; verdict: contract.ReuseVerdict | null },
    origin: contract.Origin,
    nowMs: number,
  ): Denial | null {
    if (families.length === 0) return null;
    const now = toNumericDate(nowMs);
    for (const family of families) {
      this.#state.endFamily(family.sid, end.reason, end.verdict, now);
      this.#tell(sessionEnded(family, end, account, origin, now), nowMs);
    }
    this.#outbox.appendDenial();
    return this.#denial(account, now);
  }

  #tell(event: AuditEvent, nowMs: number): void {
    this.#outbox.appendEvent(event);
    this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
  }

  /** Everything that access tokens made so far must not be believed for. */
  #denial(account: Account, now: NumericDate): Denial {
    const ttl = denialTtlSeconds(policyOf(this.env).accessTokenTtlSeconds);
    const ended = this.#state.endedSince(now - ttl);
    return {
      epoch: account.epoch,
      sids: Object.fromEntries(ended.map(({ sid, endedAt }) => [sid, endedAt + ttl])),
    };
  }

  async #deliverDenial(): Promise<void> {
    const account = this.#state.account();
    if (account === null) return;
    const denial = this.#turn((_nowMs, now) => this.#denial(account, now));
    const { accessTokenTtlSeconds } = policyOf(this.env);
    await writeDenial(this.env.REVOCATIONS, account.user.id, denial, accessTokenTtlSeconds);
  }
}
