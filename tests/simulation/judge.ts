/** Holds every answer to the ledger and the checkers, and counts what came of the schedule. */
import type { SessionPolicy } from "../../objects/user-authority/family.ts";
import type { TokenId } from "../../schema/ids.ts";
import type {
  Bearer,
  OpenSession,
  OpenSessionAnswer,
  RefreshAnswer,
  Revoke,
  RevokeAnswer,
} from "../../schema/user-authority.ts";
import type { Snapshot } from "./authority.ts";
import * as check from "./checkers.ts";
import { Ledger, type Party, type Token } from "./ledger.ts";
import type { Decisions } from "./object-model.ts";
import * as rows from "./row-checkers.ts";

/** A presentation on its way. */
export type Presentation = {
  party: Party;
  token: Token;
  clientKey: string;
  /** Made by the network, not by the client. */
  isCopy: boolean;
  /** Whether the contract owed it a grant at the moment when its client sent it. */
  wasDue: boolean;
};

export type Violation = { finding: check.Finding; what: string };

/** What happened that breaks nothing. */
export type Counts = {
  presentations: number;
  rotations: number;
  repeats: number;
  /** Owners signed out by a copy that the network made, and that arrived too late. */
  lateDuplicates: number;
  /** Owners signed out by a request that was within the rules when it was sent, and not when it arrived. */
  lateArrivals: number;
  /** Owners signed out by a retry that was outside the rules already when it was sent. */
  lateRetries: number;
  /** Owners turned away in their grace, because the presented token itself had expired meanwhile. */
  expiredInGrace: number;
  /** Families that both parties used, those of them that reuse ended, and those still shared at the end. */
  thefts: number;
  theftsEnded: number;
  theftsRiding: number;
};

export function noCounts(): Counts {
  return {
    presentations: 0,
    rotations: 0,
    repeats: 0,
    lateDuplicates: 0,
    lateArrivals: 0,
    lateRetries: 0,
    expiredInGrace: 0,
    thefts: 0,
    theftsEnded: 0,
    theftsRiding: 0,
  };
}

/** Presentations that both must have made before a thief is said to ride along. */
const RIDE_USES_MIN = 3;

export class Judge {
  readonly ledger: Ledger;
  readonly violations: Violation[] = [];
  readonly counts = noCounts();
  readonly #policy: SessionPolicy;
  readonly #probe: { decide: Decisions["decideRefresh"]; successor: TokenId };
  #last: Snapshot = { account: null, families: [] };

  constructor(policy: SessionPolicy, probe: { decide: Decisions["decideRefresh"]; successor: TokenId }) {
    this.ledger = new Ledger(policy);
    this.#policy = policy;
    this.#probe = probe;
  }

  readonly #report = (finding: check.Finding, what: string): void => {
    this.violations.push({ finding, what });
  };

  /** A broken assertion, or a fault of the simulation itself: neither may pass for a refusal. */
  threw(error: unknown): void {
    this.#report("threw", String(error));
  }

  isDue({ token, clientKey }: Pick<Presentation, "token" | "clientKey">, nowMs: number): boolean {
    const verdict = this.ledger.verdictOn(token, clientKey, nowMs);
    return verdict === "rotate" || verdict === "repeat";
  }

  /** The edge turned an expired token away: the object never hears of it. */
  turnedAway(presentation: Presentation, nowMs: number): void {
    if (presentation.party === "owner" && this.isDue(presentation, nowMs)) this.counts.expiredInGrace += 1;
  }

  presented(presentation: Presentation, answer: RefreshAnswer, revokedBefore: number, nowMs: number): void {
    const { party, token, clientKey } = presentation;
    const { ledger, counts } = this;
    ledger.heard(revokedBefore);
    const verdict = ledger.verdictOn(token, clientKey, nowMs);
    const family = ledger.families.get(token.sid) ?? null;
    if (family !== null) family.uses[party] += 1;
    const seen: check.Seen = { party, token, family, verdict, answer };
    check.checkSignOut(seen, this.#report);
    check.checkTheft(seen, this.#report);
    check.checkEnded(seen, this.#report);
    check.checkDescent(seen, this.#report);
    check.checkLifetime(seen, this.#policy, this.#report);
    check.checkAnswer(seen, this.#report);

    counts.presentations += 1;
    if (answer.kind === "rotated") counts.rotations += 1;
    if (answer.kind === "repeated") counts.repeats += 1;
    if (family === null) return;
    const record = family.tokens.get(token.tokenId);
    if (verdict === "rotate" && answer.kind !== "denied" && record !== undefined) {
      ledger.rotated(record, family, answer.grant, clientKey, nowMs);
    }
    if (verdict === "inactive") ledger.end(family, "inactive");
    if (verdict !== "reuse") return;
    ledger.end(family, "reuse");
    if (family.uses.thief > 0) return;
    if (presentation.isCopy) counts.lateDuplicates += 1;
    else if (presentation.wasDue) counts.lateArrivals += 1;
    else counts.lateRetries += 1;
  }

  opened(command: OpenSession, answer: OpenSessionAnswer, after: Snapshot, nowMs: number): void {
    this.ledger.heard(command.revokedBefore);
    const known = { policy: this.#policy, versionKnown: this.#last.account?.user.version ?? 0 };
    check.checkOpened(command, answer, known, this.#report);
    if (answer.kind === "denied") return;
    const step = { before: this.#last, after, nowMs };
    rows.checkEvicted(step, this.ledger, this.#policy.sessionsPerUserMax, this.#report);
    this.ledger.opened(answer.grant);
    this.ledger.isActive = command.user.isActive;
  }

  revoked({ by, scope, revokedBefore }: Revoke & { by: Bearer }, answer: RevokeAnswer, nowMs: number): void {
    const { ledger } = this;
    ledger.heard(revokedBefore);
    const own = ledger.families.get(by.sid);
    const isOutdated = by.ep !== null && by.ep < (ledger.epoch ?? 0);
    const isGood = own !== undefined && ledger.isLive(own, nowMs) && ledger.isActive && !isOutdated;
    if (answer.kind === "denied") {
      if (isGood && answer.reason === "revoked")
        this.#report("wrong_answer", "a live session could not log out");
      return;
    }
    if (!isGood) this.#report("came_back", "a session that is over could log out");
    for (const family of ledger.families.values()) {
      const isMeant =
        scope.kind === "all" ||
        (ledger.isLive(family, nowMs) &&
          (scope.kind === "one" ? family.sid === scope.sid : family.sid !== by.sid));
      if (isMeant) ledger.end(family, "logout");
    }
  }

  /** After each command and alarm. */
  stepped(after: Snapshot, nowMs: number): void {
    const step = { before: this.#last, after, nowMs };
    rows.checkForgotten(step, this.ledger, this.#policy, this.#report);
    rows.checkNeverBack(step, this.ledger, this.#report);
    const options = { ...this.#probe, policy: this.#policy, nowMs };
    rows.checkAcceptable(after, this.ledger, options, this.#report);
    if (after.account !== null) this.ledger.epoch = Math.max(this.ledger.epoch ?? 0, after.account.epoch);
    this.#last = after;
  }

  evicted(after: Snapshot, nowMs: number): void {
    const step = { before: this.#last, after, nowMs };
    rows.checkForgotten(step, this.ledger, this.#policy, this.#report);
    rows.checkDurable(step, this.ledger, this.#report);
    this.#last = after;
  }

  /** What can only be counted when everything has happened. */
  finished(nowMs: number): Counts {
    for (const family of this.ledger.families.values()) {
      const uses = Math.min(family.uses.owner, family.uses.thief);
      if (uses === 0) continue;
      this.counts.thefts += 1;
      if (family.over === "reuse") this.counts.theftsEnded += 1;
      else if (uses >= RIDE_USES_MIN && this.ledger.isLive(family, nowMs)) this.counts.theftsRiding += 1;
    }
    return this.counts;
  }
}
