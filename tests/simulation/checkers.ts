/**
 * What every answer must be, one checker an invariant. None of them asks how the object decides:
 * they know the ledger and the contract (§5).
 */
import type { SessionPolicy } from "../../objects/user-authority/family.ts";
import type { OpenSession, OpenSessionAnswer, RefreshAnswer } from "../../schema/user-authority.ts";
import {
  type FamilyRecord,
  isSameToken,
  name,
  type Party,
  type Token,
  tokenOf,
  type Verdict,
} from "./ledger.ts";

export type Finding =
  | "false_sign_out"
  | "theft_outlived"
  | "fork"
  | "two_acceptable"
  | "came_back"
  | "extended"
  | "not_durable"
  | "wrong_answer"
  | "threw";
export type Report = (finding: Finding, what: string) => void;

/** One presentation that reached the object, what the contract wanted, and what was answered. */
export type Seen = {
  party: Party;
  token: Token;
  family: FamilyRecord | null;
  verdict: Verdict;
  answer: RefreshAnswer;
};

const isGrant = (answer: RefreshAnswer) => answer.kind !== "denied";

/** An honest client within its rules is never signed out by its own retries. */
export function checkSignOut({ party, token, family, verdict, answer }: Seen, report: Report): void {
  if (isGrant(answer) || (verdict !== "rotate" && verdict !== "repeat")) return;
  const isHonest = party === "owner" && family?.uses.thief === 0;
  report(isHonest ? "false_sign_out" : "wrong_answer", `${name(token)} is due a ${verdict}, and was denied`);
}

/** The second use of one token beyond its grace is refused; that it ends the family, `checkAcceptable` sees. */
export function checkTheft({ token, verdict, answer }: Seen, report: Report): void {
  if (verdict === "reuse" && isGrant(answer))
    report("theft_outlived", `${name(token)} is reuse, and was granted`);
}

const DUE = {
  rotate: "rotated",
  repeat: "repeated",
  reuse: "reused",
  inactive: "revoked",
  over: "revoked",
} as const satisfies Record<Verdict, string>;

/** Every answer is the one that the contract names. */
export function checkAnswer({ token, verdict, answer }: Seen, report: Report): void {
  const given = answer.kind === "denied" ? answer.reason : answer.kind;
  if (given !== DUE[verdict])
    report("wrong_answer", `${name(token)} is due ${DUE[verdict]}, and was ${given}`);
}

/** What ended stays ended, for whoever asks. */
export function checkEnded({ token, family, verdict, answer }: Seen, report: Report): void {
  if ((verdict === "over" || verdict === "inactive") && isGrant(answer)) {
    report("came_back", `${name(token)} is over (${family?.over ?? verdict}), and was granted`);
  }
}

/** One line of descent: every answer to one token carries the same successor, of the next generation. */
export function checkDescent({ token, family, answer }: Seen, report: Report): void {
  const record = family?.tokens.get(token.tokenId);
  if (answer.kind === "denied" || family === null || record === undefined) return;
  const successor = tokenOf(answer.grant);
  if (record.child !== null && !isSameToken(record.child.token, successor)) {
    report("fork", `${name(token)} has the successors ${name(record.child.token)} and ${name(successor)}`);
  }
  if (record.child === null && record !== family.head)
    report("fork", `${name(token)} has no place in the line`);
  if (record.child === null && family.tokens.has(successor.tokenId)) {
    report("fork", `${name(successor)} has two parents`);
  }
  if (successor.generation !== token.generation + 1) report("fork", `${name(token)} skips a generation`);
}

/** A rotation moves no end: not the session's, and no token's past it. */
export function checkLifetime({ family, answer }: Seen, policy: SessionPolicy, report: Report): void {
  if (answer.kind === "denied" || family === null) return;
  const { refresh, absoluteExpiresAt } = answer.grant;
  if (absoluteExpiresAt !== family.absoluteExpiresAt)
    report("extended", `${family.sid} moved its absolute end`);
  if (refresh.exp > family.absoluteExpiresAt)
    report("extended", `${family.sid} has a token that outlives it`);
  if (refresh.exp > refresh.iat + policy.refreshTokenTtlSeconds)
    report("extended", `${family.sid} idles too long`);
}

/** A login is refused to an inactive user, and for a state of the user that is not the newest known. */
export function checkOpened(
  { user }: OpenSession,
  answer: OpenSessionAnswer,
  { policy, versionKnown }: { policy: SessionPolicy; versionKnown: number },
  report: Report,
): void {
  const isStale = user.version < versionKnown;
  if (answer.kind === "denied") {
    if (user.isActive && !isStale) report("wrong_answer", `a login was denied as ${answer.reason}`);
    return;
  }
  if (!user.isActive || isStale) report("came_back", "a login was granted to a user who is no longer active");
  const { authTime, absoluteExpiresAt, refresh } = answer.grant;
  if (absoluteExpiresAt !== authTime + policy.sessionMaxAgeSeconds)
    report("extended", "a session has another end");
  if (refresh.exp > absoluteExpiresAt) report("extended", "a session's first token outlives it");
}
