/**
 * `UserAuthority`: the only judge of one user's sessions. A thin shell: each command is one
 * synchronous turn in one transaction (load, decide, apply, append to the outbox), and the alarm
 * delivers, forgets what has expired, and empties an object that nobody needs.
 *
 * It holds no secret, makes no id and hashes nothing; ids come in with the command.
 */
import { DurableObject } from "cloudflare:workers";
import type { AuditEvent, EventType } from "../schema/audit-events.ts";
import { readConfig } from "../schema/config.ts";
import { log } from "../schema/log.ts";
import { USER_AUTHORITY_TABLES } from "../schema/object-tables.ts";
import { type Denial, denialTtlSeconds } from "../schema/revocation.ts";
import { type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import type * as contract from "../schema/user-authority.ts";
import { Outbox } from "./outbox.ts";
import { writeEvents } from "./sinks/audit.ts";
import { writeDenial } from "./sinks/revocations.ts";
import { applyTables, hasTables } from "./tables.ts";
import { decideExpiry } from "./user-authority/expiry.ts";
import { type Account, type Family, grantOf, type SessionPolicy } from "./user-authority/family.ts";
import { decideOpen } from "./user-authority/open-session.ts";
import { decideRefresh } from "./user-authority/refresh.ts";
import { isConfirmed, moveEpoch } from "./user-authority/revoke.ts";
import { UserAuthorityState } from "./user-authority/state.ts";
import { WakeUp } from "./wake-up.ts";

/** From decision to delivery; revocations of one user within it share one KV write. */
const DELIVERY_DELAY_MS = 1000;
const RETRY_DELAY_MS = 5000;

export class UserAuthority extends DurableObject<Env> implements contract.UserAuthorityContract {
  readonly #state: UserAuthorityState;
  readonly #outbox: Outbox;
  readonly #wakeUp: WakeUp;
  #config: SessionPolicy | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#state = new UserAuthorityState(ctx.storage.sql);
    this.#outbox = new Outbox(ctx.storage.sql);
    this.#wakeUp = new WakeUp(ctx.storage);
    void ctx.blockConcurrencyWhile(() => this.#wakeUp.load());
  }

  /** Opens a session for a user whose credentials the edge has checked. */
  async openSession(command: contract.OpenSession): Promise<contract.OpenSessionAnswer> {
    applyTables(this.ctx.storage, USER_AUTHORITY_TABLES);
    return this.#turn((nowMs, now) => {
      const known = this.#state.account();
      const live = known === null ? [] : this.#state.liveFamilies(known.epoch, now);
      const decision = decideOpen(known, live, command, now, this.#policy());
      if (decision.kind === "denied") return decision;
      const { account, family, evicted } = decision;
      this.#state.putAccount(account, now);
      this.#state.insertFamily(family);
      this.#wakeUp.noLaterThan(family.expiresAt * 1000, nowMs);
      const denial = this.#end(evicted, account, "evicted", command, nowMs);
      return { kind: "opened", grant: grantOf(family, account, now), denial };
    });
  }

  /** Presents an authentic refresh token of this user (contract §5). One row written, or none. */
  async refresh(command: contract.Refresh): Promise<contract.RefreshAnswer> {
    if (!hasTables(this.ctx.storage.sql)) return { kind: "denied", reason: "revoked", denial: null };
    return this.#turn((nowMs, now) => {
      const account = this.#state.account();
      const family = this.#state.family(command.sid);
      const decision = decideRefresh(family, account, command, nowMs, this.#policy());
      if (decision.kind === "deny" || account === null || family === null) {
        return { kind: "denied", reason: "revoked", denial: null };
      }
      switch (decision.kind) {
        case "rotate": {
          const rotated = { ...decision.family, client: command.client };
          this.#state.rotateFamily(rotated);
          return { kind: "rotated", grant: grantOf(rotated, account, now) };
        }
        case "repeat":
          if (decision.elsewhere) {
            const id = `${family.sid}.refresh_repeated_elsewhere.${family.generation}`;
            this.#tell("refresh_repeated_elsewhere", id, account, family.sid, null, command, nowMs);
          }
          return { kind: "repeated", grant: grantOf(family, account, now) };
        case "end": {
          const denial = this.#end([family], account, decision.reason, command, nowMs);
          return { kind: "denied", reason: decision.reason === "reuse" ? "reused" : "revoked", denial };
        }
      }
    });
  }

  /** Ends sessions at the wish of one that is live. All of them: one row, however many there are. */
  async revoke(command: contract.Revoke): Promise<contract.RevokeAnswer> {
    if (!hasTables(this.ctx.storage.sql)) return { kind: "denied", reason: "revoked" };
    return this.#turn((nowMs, now) => {
      const { by, scope, reason } = command;
      const account = this.#state.account();
      if (!isConfirmed(by, account, this.#state.family(by.sid), now))
        return { kind: "denied", reason: "revoked" };
      const answer = (revoked: number, to: Account): contract.RevokeAnswer => {
        return { kind: "revoked", revoked, epoch: to.epoch, at: now, denial: this.#denial(to, now) };
      };
      if (scope.kind === "all") {
        const moved = moveEpoch(account);
        const count = this.#state.liveCount(account.epoch, now);
        this.#state.moveEpoch(moved.epoch, reason, now);
        this.#outbox.appendDenial();
        const id = `${account.user.id}.sessions_revoked.${moved.epoch}`;
        this.#tell("sessions_revoked", id, account, by.sid, reason, command, nowMs);
        return answer(count, moved);
      }
      const live = this.#state.liveFamilies(account.epoch, now);
      const ending = live.filter(({ sid }) => (scope.kind === "one" ? sid === scope.sid : sid !== by.sid));
      if (scope.kind === "one" && ending.length === 0) return { kind: "denied", reason: "unknown" };
      this.#end(ending, account, reason, command, nowMs);
      return answer(ending.length, account);
    });
  }

  /** The user's live sessions, newest first, for a bearer whose own session is one of them. */
  async listSessions(by: contract.Bearer): Promise<contract.ListSessionsAnswer> {
    if (!hasTables(this.ctx.storage.sql)) return { kind: "denied", reason: "revoked" };
    return this.#turn((_nowMs, now) => {
      const account = this.#state.account();
      if (!isConfirmed(by, account, this.#state.family(by.sid), now))
        return { kind: "denied", reason: "revoked" };
      const live = this.#state.liveFamilies(account.epoch, now);
      live.sort((one, other) => other.createdAt - one.createdAt);
      return { kind: "sessions", sessions: live.map(viewOf) };
    });
  }

  /** Delivers, forgets, and asks to be woken again while anything is left. Never gives up. */
  override async alarm(): Promise<void> {
    this.#wakeUp.fired();
    if (!hasTables(this.ctx.storage.sql)) return;
    try {
      await Promise.all([this.#deliverDenial(), this.#deliverEvents()]);
      const isNeeded = this.#turn((nowMs, now) => this.#expire(nowMs, now));
      if (isNeeded) return;
      await this.ctx.storage.deleteAll(); // the alarm goes with it
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
    const { accessTokenTtlSeconds } = this.#policy();
    const { forget, nextAt } = decideExpiry(
      this.#state.families(),
      this.#state.epochMovedAt(),
      now,
      accessTokenTtlSeconds,
    );
    for (const sid of forget) this.#state.deleteFamily(sid);
    if (!this.#outbox.isEmpty()) this.#wakeUp.noLaterThan(nowMs + RETRY_DELAY_MS, nowMs);
    if (nextAt !== null) this.#wakeUp.noLaterThan(nextAt * 1000, nowMs);
    return nextAt !== null || !this.#outbox.isEmpty();
  }

  /** The one clock read of the object. A throw in `decide` rolls everything back. */
  #turn<Answer>(decide: (nowMs: number, now: NumericDate) => Answer): Answer {
    const nowMs = Date.now();
    return this.ctx.storage.transactionSync(() => decide(nowMs, toNumericDate(nowMs)));
  }

  #end(
    families: readonly Family[],
    account: Account,
    reason: contract.EndReason,
    origin: contract.Origin,
    nowMs: number,
  ): Denial | null {
    if (families.length === 0) return null;
    const now = toNumericDate(nowMs);
    for (const family of families) {
      this.#state.endFamily(family.sid, reason, now);
      const type = EVENT_OF[reason];
      this.#tell(type, `${family.sid}.${type}`, account, family.sid, reason, origin, nowMs);
    }
    this.#outbox.appendDenial();
    return this.#denial(account, now);
  }

  #tell(
    type: EventType,
    id: string,
    account: Account,
    sid: string,
    reason: string | null,
    origin: contract.Origin,
    nowMs: number,
  ): void {
    const { client, requestId } = origin;
    const at = toNumericDate(nowMs);
    const event: AuditEvent = {
      id,
      at,
      type,
      userId: account.user.id,
      sid,
      reason,
      requestId,
      client,
      details: {},
    };
    this.#outbox.appendEvent(event);
    this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
  }

  /** Everything that access tokens made so far must not be believed for. */
  #denial(account: Account, now: NumericDate): Denial {
    const ttl = denialTtlSeconds(this.#policy().accessTokenTtlSeconds);
    const ended = this.#state.endedSince(now - ttl);
    return {
      epoch: account.epoch,
      sids: Object.fromEntries(ended.map(({ sid, endedAt }) => [sid, endedAt + ttl])),
    };
  }

  async #deliverDenial(): Promise<void> {
    const last = this.#outbox.pending("denial").at(-1);
    const account = this.#state.account();
    if (last === undefined || account === null) return;
    const denial = this.#turn((_nowMs, now) => this.#denial(account, now));
    const { accessTokenTtlSeconds } = this.#policy();
    await writeDenial(this.env.REVOCATIONS, account.user.id, denial, accessTokenTtlSeconds);
    this.#outbox.delivered("denial", last.id);
  }

  async #deliverEvents(): Promise<void> {
    const pending = this.#outbox.pending("audit");
    const last = pending.at(-1);
    if (last === undefined) return;
    const events = pending.map(({ payload }) => JSON.parse(payload) as AuditEvent);
    await writeEvents(this.env.DB, events);
    this.#outbox.delivered("audit", last.id);
  }

  /** The edge's own settings, read at first use: with wrong ones the alarm must still be able to wait. */
  #policy(): SessionPolicy {
    if (this.#config !== null) return this.#config;
    const reading = readConfig(this.env);
    if (reading.kind === "wrong") throw new Error("the settings are wrong");
    this.#config = reading.config;
    return this.#config;
  }
}

const EVENT_OF: Record<contract.EndReason, EventType> = {
  logout: "session_revoked",
  ended_by_owner: "session_revoked",
  evicted: "session_evicted",
  reuse: "token_reuse_detected",
  user_inactive: "session_revoked",
};

function viewOf(family: Family): contract.SessionView {
  const { sid, createdAt, issuedAt, expiresAt, client, deviceName, amr } = family;
  return { sid, createdAt, lastUsedAt: issuedAt, expiresAt, client, deviceName, amr };
}
