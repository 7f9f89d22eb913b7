/**
 * The sessions of one user: loads, decides, writes, tells. Its methods run inside a turn of the
 * object, and answer for an object without an account as for a session that nobody has.
 */
import type { AuditEvent } from "../../schema/audit-events.ts";
import { type Denial, denialTtlSeconds } from "../../schema/revocation.ts";
import type { NumericDate } from "../../schema/time.ts";
import type * as contract from "../../schema/user-authority.ts";
import type { LimitsTable } from "../limits-table.ts";
import { DELIVERY_DELAY_MS, type Outbox } from "../outbox.ts";
import type { WakeUp } from "../wake-up.ts";
import type { AdoptedTable } from "./adopted-table.ts";
import { decideAdoption, djangoEndedAt } from "./adoption.ts";
import { decideErasure } from "./deletion.ts";
import * as events from "./events.ts";
import { decideExpiry, keptUntil, otherNeeds } from "./expiry.ts";
import { type Account, type Family, grantOf, inEra, isConfirmed, viewOf } from "./family.ts";
import { decideHearing } from "./hear-of-user.ts";
import { decideOpen, type OpenDecision } from "./open-session.ts";
import { decideRefresh, type RefreshDecision } from "./refresh.ts";
import { mayDjangoBeBelieved, moveEpoch, newAccount } from "./revoke.ts";
import type { UserAuthorityState } from "./state.ts";
import { timelineOf } from "./timeline.ts";
import type { Turn } from "./turn.ts";

export const REVOKED = { kind: "denied", reason: "revoked" } as const;
export const UNKNOWN = { kind: "denied", reason: "unknown" } as const;

export class Sessions {
  readonly #state: UserAuthorityState;
  readonly #adopted: AdoptedTable;
  readonly #limits: LimitsTable;
  readonly #outbox: Outbox;
  readonly #wakeUp: WakeUp;

  constructor(
    state: UserAuthorityState,
    adopted: AdoptedTable,
    limits: LimitsTable,
    outbox: Outbox,
    wakeUp: WakeUp,
  ) {
    this.#state = state;
    this.#adopted = adopted;
    this.#limits = limits;
    this.#outbox = outbox;
    this.#wakeUp = wakeUp;
  }

  /** Two rows written for a user's first session, one for another. */
  open(command: contract.OpenSession, turn: Turn): contract.OpenSessionAnswer {
    const { now } = turn;
    const known = this.account(command);
    const live = known === null ? [] : this.#state.liveFamilies(known, now);
    const decision = decideOpen(known, live, command, now, turn.policy);
    return decision.kind === "denied" ? decision : this.#begin(decision, command, turn);
  }

  /** As a login that settles no attempt, one row and an event more; then as a refresh that rotates nothing. */
  adopt(command: contract.Adopt, turn: Turn): contract.AdoptAnswer {
    const { kind, name, expiresAt } = command.credential;
    const known = this.account(command);
    const live = known === null ? [] : this.#state.liveFamilies(known, turn.now);
    const sid = this.#adopted.sidOf(name);
    const adopted = sid === null ? undefined : this.#state.family(sid);
    const decision = decideAdoption(known, live, adopted, command, turn.nowMs, turn.policy);
    switch (decision.kind) {
      case "denied":
        return { ...decision, denial: null };
      case "open":
        this.#adopted.put(name, decision.family.sid, expiresAt);
        this.#tell(events.djangoExchanged(decision.family, kind, decision.account, command, turn.now), turn);
        return this.#begin(decision, command, turn);
      case "rotate":
        throw new Error("what Django gave is never a session's newest token");
      default: {
        const answer = this.#answer(decision, adopted ?? null, known, command, turn);
        return answer.kind === "denied" ? answer : { ...answer, kind: "repeated", denial: null };
      }
    }
  }

  /** One row written, or none. */
  refresh(command: contract.Refresh, turn: Turn): contract.RefreshAnswer {
    const account = this.account(command);
    const family = this.#state.family(command.sid);
    const decision = decideRefresh(family, account, command, turn.nowMs, turn.policy);
    return this.#answer(decision, family, account, command, turn);
  }

  #answer(
    decision: RefreshDecision,
    family: Family | null,
    account: Account | null,
    command: contract.Origin,
    turn: Turn,
  ): contract.RefreshAnswer {
    if (decision.kind === "deny" || account === null || family === null) return { ...REVOKED, denial: null };
    switch (decision.kind) {
      case "rotate":
        this.#state.rotateFamily(decision.family);
        return { kind: "rotated", grant: grantOf(decision.family, account, turn.now) };
      case "repeat":
        if (decision.elsewhere)
          this.#tell(events.repeatedElsewhere(family, account, command, turn.now), turn);
        return { kind: "repeated", grant: grantOf(family, account, turn.now) };
      case "end": {
        const denial = this.#end([family], account, decision, command, turn);
        return { kind: "denied", reason: decision.reason === "reuse" ? "reused" : "revoked", denial };
      }
    }
  }

  revoke(command: contract.Revoke, turn: Turn): contract.RevokeAnswer {
    const { by, scope, reason, user } = command;
    const { now, policy } = turn;
    const account = this.account(command);
    const answer = (revoked: number, to: Account, isMoot = false): contract.RevokeAnswer => {
      return { kind: "revoked", revoked, isMoot, epoch: to.epoch, at: now, denial: this.denial(to, turn) };
    };
    if (account === null) {
      if (by !== null || scope.kind !== "all" || user === undefined) return UNKNOWN;
      const first = newAccount(user, command, now, reason);
      this.#state.putAccount(first, now);
      this.#revokeAll(first, command, turn);
      return answer(0, first);
    }
    if (by !== null && !this.#isConfirmed(by, account, now)) return REVOKED;
    if (account.erasedAt !== null) return UNKNOWN;
    if (scope.kind === "all") {
      const count = this.#state.liveCount(account, now);
      const hasIdled = this.#state.hasIdledSince(
        account,
        now - denialTtlSeconds(policy.accessTokenTtlSeconds),
      );
      if (count === 0 && !hasIdled && !mayDjangoBeBelieved(account, policy.legacy, now))
        return answer(0, account, true);
      const moved = moveEpoch(account, reason, now);
      this.#state.moveEpoch(moved, now);
      this.#revokeAll(moved, command, turn);
      return answer(count, moved);
    }
    const live = this.#state.liveFamilies(account, now);
    const ending = live.filter(({ sid }) => (scope.kind === "one" ? sid === scope.sid : sid !== by?.sid));
    if (scope.kind === "one" && ending.length === 0) return UNKNOWN;
    this.#end(ending, account, { reason, verdict: null }, command, turn);
    return answer(ending.length, account, ending.length === 0);
  }

  #revokeAll(moved: Account, { by, reason, note, ...origin }: contract.Revoke, turn: Turn): void {
    this.#outbox.appendDenial();
    const asked = { by: by?.sid ?? null, reason, note };
    this.#tell(events.sessionsRevoked(moved, asked, origin, turn.now), turn);
  }

  /** One row written if the state is news, and three, a row a session, or two a session if they feel it. */
  hear(command: contract.HearOfUser, turn: Turn): contract.HearOfUserAnswer {
    const { now, nowMs, policy } = turn;
    const known = this.account(command);
    const live = known === null ? [] : this.#state.liveFamilies(known, now);
    const { account, isNews, carried, ending, revoked } = decideHearing(known, live, command, now);
    if (isNews) this.#state.putAccount(account, now);
    if (known === null) {
      const forgetAt = now + denialTtlSeconds(policy.accessTokenTtlSeconds);
      this.#wakeUp.noLaterThan(forgetAt * 1000, nowMs);
    } else if (account.epoch > known.epoch) {
      this.#state.moveEpoch(account, now);
      for (const family of carried) this.#state.carryFamily(family);
      this.#outbox.appendDenial();
      this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
      if (live.length > 0) this.#tell(events.tokensRevoked(account, command, carried.length > 0, now), turn);
    }
    this.#end(ending, account, { reason: command.reason, verdict: null }, command, turn);
    return { kind: "heard", revoked, epoch: account.epoch, at: now, denial: this.denial(account, turn) };
  }

  /** Three rows written, and one for each that is forgotten. */
  erase(command: contract.EraseUser, turn: Turn): contract.EraseAnswer {
    const decision = decideErasure(this.#state.account(), command.userId, turn.now);
    if (decision.kind === "erase") {
      this.#state.erase(decision.account, turn.now);
      this.#outbox.appendDenial();
      this.#tell(events.accountDeleted(command, turn.now), turn);
    }
    const kind = decision.kind === "erase" ? "erased" : "already";
    return { kind, denial: this.denial(decision.account, turn) };
  }

  confirm(by: contract.Bearer, { now }: Turn): contract.ConfirmAnswer {
    const account = this.account(by);
    const family = this.#state.family(by.sid);
    if (family === null || !isConfirmed(by, account, family, now)) return REVOKED;
    return { kind: "confirmed", user: account.user, epoch: account.epoch, newest: family.tokenId };
  }

  /** One row written at most. */
  lease(command: contract.Lease, turn: Turn): contract.LeaseAnswer {
    const { by } = command;
    const account = this.account(by);
    if (!this.#isConfirmed(by, account, turn.now)) return REVOKED;
    const reservation = this.#limits.reserve(command, turn.nowMs);
    return { kind: "leased", denial: this.denial(account, turn), reservation };
  }

  /** As `lease`, and when all that Django gave the user last ended. */
  leaseToDjango(command: contract.DjangoLease, { nowMs }: Turn): contract.DjangoLeaseAnswer {
    const account = this.account(command);
    if (account !== null && account.erasedAt !== null) return REVOKED;
    const [epoch, endedAt] = [account?.epoch ?? 0, djangoEndedAt(account, command)];
    return { kind: "leased", epoch, endedAt, reservation: this.#limits.reserve(command, nowMs) };
  }

  list(command: { by: contract.Bearer | null } & contract.Era, { now }: Turn): contract.ListSessionsAnswer {
    const account = this.account(command);
    if (account === null) return command.by === null ? { kind: "sessions", sessions: [] } : REVOKED;
    if (command.by !== null && !this.#isConfirmed(command.by, account, now)) return REVOKED;
    const live = this.#state.liveFamilies(account, now);
    live.sort((one, other) => other.createdAt - one.createdAt);
    return { kind: "sessions", sessions: live.map(viewOf) };
  }

  timeline(command: contract.Timeline, { now }: Turn): contract.TimelineAnswer {
    const account = this.account(command);
    if (command.by !== null && !this.#isConfirmed(command.by, account, now)) return REVOKED;
    const family = this.#state.family(command.sid);
    if (account === null || family === null) return UNKNOWN;
    return { kind: "timeline", ...timelineOf(family, account, now) };
  }

  /** Forgets what has expired. When the next one does, or null if no session is left. */
  expire({ now, policy }: Turn): NumericDate | null {
    const { forget, nextAt } = decideExpiry(
      this.#state.families(),
      this.#state.accountChangedAt(),
      now,
      policy.accessTokenTtlSeconds,
      otherNeeds(this.#state.account(), this.#adopted.expire(now), policy.legacy),
    );
    for (const sid of forget) this.#state.deleteFamily(sid);
    return nextAt;
  }

  /** The account, with what the asking edge knows of the global epoch. */
  account({ revokedBefore }: contract.Era): Account | null {
    const stored = this.#state.account();
    if (stored === null || stored.revokedBefore >= revokedBefore) return stored;
    this.#state.putEra(revokedBefore);
    return inEra(stored, revokedBefore);
  }

  /** Everything that access tokens made so far must not be believed for. */
  denial(account: Account, { now, policy }: Turn): Denial {
    const ttl = denialTtlSeconds(policy.accessTokenTtlSeconds);
    const ended = this.#state.endedSince(now - ttl);
    return {
      epoch: account.epoch,
      sids: Object.fromEntries(ended.map(({ sid, endedAt }) => [sid, endedAt + ttl])),
    };
  }

  #begin(
    { account, family, evicted }: Extract<OpenDecision, { kind: "open" }>,
    command: contract.Origin,
    turn: Turn,
  ): Extract<contract.OpenSessionAnswer, { kind: "opened" }> {
    this.#state.putAccount(account, turn.now);
    this.#state.insertFamily(family);
    this.#wakeUp.noLaterThan(keptUntil(family, turn.policy.accessTokenTtlSeconds) * 1000, turn.nowMs);
    const denial = this.#end(evicted, account, { reason: "evicted", verdict: null }, command, turn);
    return { kind: "opened", grant: grantOf(family, account, turn.now), denial };
  }

  #isConfirmed(by: contract.Bearer, account: Account | null, now: NumericDate): account is Account {
    return isConfirmed(by, account, this.#state.family(by.sid), now);
  }

  #end(
    families: readonly Family[],
    account: Account,
    end: { reason: contract.EndReason; verdict: contract.ReuseVerdict | null },
    origin: contract.Origin,
    turn: Turn,
  ): Denial | null {
    if (families.length === 0) return null;
    for (const family of families) {
      this.#state.endFamily(family.sid, end.reason, end.verdict, turn.now);
      this.#tell(events.sessionEnded(family, end, account, origin, turn.now), turn);
    }
    this.#outbox.appendDenial();
    return this.denial(account, turn);
  }

  #tell(event: AuditEvent, { nowMs }: Turn): void {
    this.#outbox.appendEvent(event);
    this.#wakeUp.noLaterThan(nowMs + DELIVERY_DELAY_MS, nowMs);
  }
}
