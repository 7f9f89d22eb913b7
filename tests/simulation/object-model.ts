/**
 * A model of the object around the real decisions: rows, commands that run one after another, and
 * evictions that leave nothing but what was written. It mirrors `objects/user-authority.ts`.
 */
import { decideExpiry } from "../../objects/user-authority/expiry.ts";
import {
  type Account,
  type Family,
  grantOf,
  inEra,
  isConfirmed,
  isLive,
  type SessionPolicy,
} from "../../objects/user-authority/family.ts";
import { decideOpen } from "../../objects/user-authority/open-session.ts";
import { decideRefresh } from "../../objects/user-authority/refresh.ts";
import { moveEpoch } from "../../objects/user-authority/revoke.ts";
import type { SessionId } from "../../schema/ids.ts";
import { type NumericDate, toNumericDate } from "../../schema/time.ts";
import type * as contract from "../../schema/user-authority.ts";
import type { Authority, Decided, Snapshot } from "./authority.ts";

/** What the simulation drives: the real decisions, or ones that are wrong on purpose. */
export type Decisions = {
  decideOpen: typeof decideOpen;
  decideRefresh: typeof decideRefresh;
  decideExpiry: typeof decideExpiry;
  isConfirmed: (...args: Parameters<typeof isConfirmed>) => boolean;
  moveEpoch: typeof moveEpoch;
};
export const REAL: Decisions = { decideOpen, decideRefresh, decideExpiry, isConfirmed, moveEpoch };

const REVOKED = { kind: "denied", reason: "revoked" } as const;
const UNKNOWN = { kind: "denied", reason: "unknown" } as const;

type AccountRow = { account: Account; epochMovedAt: NumericDate };

export class ObjectModel implements Authority {
  readonly #policy: SessionPolicy;
  readonly #decisions: Decisions;
  /** What survives an eviction: text. */
  readonly #stored = new Map<SessionId | "account", string>();
  /** What does not. Frozen: a decision that writes into its input throws. */
  #account: AccountRow | null = null;
  #families = new Map<string, Family>();
  #nowMs = 0;

  constructor(policy: SessionPolicy, decisions: Decisions = REAL) {
    this.#policy = policy;
    this.#decisions = decisions;
  }

  setClock(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  async openSession(command: contract.OpenSession): Promise<contract.OpenSessionAnswer> {
    const now = toNumericDate(this.#nowMs);
    const known = this.#accountIn(command);
    const live = known === null ? [] : this.#live(known, now);
    const decision = this.#decisions.decideOpen(known, live, command, now, this.#policy);
    if (decision.kind === "denied") return decision;
    const { account, family, evicted } = decision;
    this.#putAccount({ account, epochMovedAt: this.#account?.epochMovedAt ?? now });
    this.#putFamily(family);
    this.#end(evicted, "evicted", now);
    return { kind: "opened", grant: grantOf(family, account, now), denial: null };
  }

  async refresh(commands: readonly contract.Refresh[]): Promise<Decided[]> {
    return commands.map((command, index) => ({ index, answer: this.#refresh(command) }));
  }

  #refresh(command: contract.Refresh): contract.RefreshAnswer {
    const now = toNumericDate(this.#nowMs);
    const account = this.#accountIn(command);
    const family = this.#families.get(command.sid) ?? null;
    const decision = this.#decisions.decideRefresh(family, account, command, this.#nowMs, this.#policy);
    if (decision.kind === "deny" || account === null || family === null) return { ...REVOKED, denial: null };
    switch (decision.kind) {
      case "rotate":
        this.#putFamily(decision.family);
        return { kind: "rotated", grant: grantOf(decision.family, account, now) };
      case "repeat":
        return { kind: "repeated", grant: grantOf(family, account, now) };
      case "end":
        this.#end([family], decision.reason, now);
        return { kind: "denied", reason: decision.reason === "reuse" ? "reused" : "revoked", denial: null };
    }
  }

  async revoke(command: contract.Revoke): Promise<contract.RevokeAnswer> {
    const { by, scope, reason } = command;
    const now = toNumericDate(this.#nowMs);
    const account = this.#accountIn(command);
    if (account === null) return UNKNOWN;
    if (by !== null) {
      const own = this.#families.get(by.sid) ?? null;
      if (!this.#decisions.isConfirmed(by, account, own, now)) return REVOKED;
    }
    const live = this.#live(account, now);
    const answer = (revoked: number, epoch: number): contract.RevokeAnswer => {
      return { kind: "revoked", revoked, isMoot: revoked === 0, epoch, at: now, denial: { epoch, sids: {} } };
    };
    if (scope.kind === "all") {
      if (live.length === 0) return answer(0, account.epoch);
      const moved = this.#decisions.moveEpoch(account, reason, now);
      this.#putAccount({ account: moved, epochMovedAt: now });
      return answer(live.length, moved.epoch);
    }
    const ending = live.filter(({ sid }) => (scope.kind === "one" ? sid === scope.sid : sid !== by?.sid));
    if (scope.kind === "one" && ending.length === 0) return UNKNOWN;
    this.#end(ending, reason, now);
    return answer(ending.length, account.epoch);
  }

  async userChanged(user: contract.UserState): Promise<void> {
    if (this.#account === null) return;
    this.#putAccount({ ...this.#account, account: { ...this.#account.account, user } });
  }

  async alarm(): Promise<void> {
    if (this.#account === null) return;
    const { accessTokenTtlSeconds } = this.#policy;
    const { epochMovedAt } = this.#account;
    const now = toNumericDate(this.#nowMs);
    const families = [...this.#families.values()];
    const decision = this.#decisions.decideExpiry(families, epochMovedAt, now, accessTokenTtlSeconds);
    for (const sid of decision.forget) {
      this.#families.delete(sid);
      this.#stored.delete(sid);
    }
    if (decision.nextAt !== null) return;
    this.#stored.clear();
    this.#read();
  }

  async evict(): Promise<void> {
    this.#read();
  }

  async snapshot(): Promise<Snapshot> {
    return { account: this.#account?.account ?? null, families: [...this.#families.values()] };
  }

  #accountIn({ revokedBefore }: contract.Era): Account | null {
    if (this.#account === null) return null;
    const account = inEra(this.#account.account, revokedBefore);
    if (account !== this.#account.account) this.#putAccount({ ...this.#account, account });
    return account;
  }

  /** Most recently used first. */
  #live(account: Account, now: NumericDate): Family[] {
    const live = [...this.#families.values()].filter((family) => isLive(family, account, now));
    return live.sort((a, b) => b.issuedAt - a.issuedAt || b.createdAt - a.createdAt);
  }

  #end(families: readonly Family[], reason: contract.EndReason, now: NumericDate): void {
    for (const family of families) {
      if (family.ended === null) this.#putFamily({ ...family, ended: { at: now, reason, verdict: null } });
    }
  }

  #putAccount(row: AccountRow): void {
    this.#stored.set("account", JSON.stringify(row));
    this.#account = row;
  }

  #putFamily(family: Family): void {
    this.#stored.set(family.sid, JSON.stringify(family));
    this.#families.set(family.sid, frozen(family));
  }

  #read(): void {
    this.#account = null;
    this.#families = new Map();
    for (const [key, text] of this.#stored) {
      if (key === "account") this.#account = JSON.parse(text) as AccountRow;
      else this.#families.set(key, frozen(JSON.parse(text) as Family));
    }
  }
}

function frozen(family: Family): Family {
  Object.freeze(family.previous);
  Object.freeze(family.history);
  return Object.freeze(family);
}
