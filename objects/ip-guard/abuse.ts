/**
 * What an address's failures look like (contract §2). Pure. Each pattern keeps the marks of its
 * period; a detection forgets them, so that one attack is told once and then acted upon.
 */
import {
  type AbuseAction,
  type AbusePolicy,
  type GuessView,
  PATTERN_NAMES,
  type Pattern,
  type PatternPolicy,
} from "../../schema/abuse.ts";

/** One failure: of a guess at an account (a keyed hash), or a bad token. */
export type Mark = { atMs: number; account: string | null };
type Suspicion = { marks: Mark[]; detections: number; detectedAtMs: number };
export type Suspicions = Record<Pattern, Suspicion>;

/** What was seen, and what follows. */
export type Detection = {
  pattern: Pattern;
  action: AbuseAction;
  failures: number;
  accounts: number;
  firstAtMs: number;
  periodSeconds: number;
  /** How many detections of this pattern came one after another, this one included. */
  times: number;
};

const NONE: Suspicion = { marks: [], detections: 0, detectedAtMs: 0 };
export const UNSUSPECTED: Suspicions = {
  rapid_login: NONE,
  password_spray: NONE,
  token_brute_force: NONE,
};
/** A day without a detection, and the next one takes the first step again. */
const DETECTIONS_KEPT_MS = 86_400_000;

/** The suspicions as they stand now: what has passed, or is switched off, is forgotten. */
export function suspicionsAt(before: Suspicions, policy: AbusePolicy, nowMs: number): Suspicions {
  const at = (pattern: Pattern): Suspicion => {
    const { marks, detections, detectedAtMs } = before[pattern];
    const periodMs = (policy[pattern]?.seconds ?? 0) * 1000;
    const isRecent = detectedAtMs + DETECTIONS_KEPT_MS > nowMs;
    return {
      marks: marks.filter(({ atMs }) => atMs + periodMs > nowMs),
      detections: isRecent ? detections : 0,
      detectedAtMs,
    };
  };
  return {
    rapid_login: at("rapid_login"),
    password_spray: at("password_spray"),
    token_brute_force: at("token_brute_force"),
  };
}

/**
 * How a guess that the limits admit is looked upon. As many as the threshold may be looked at, open
 * ones counted as failures: `wait` for them to be told apart. Failures at one account alone are its
 * own lockout's matter, so that whoever forgot a password locks nobody else out; but no second
 * account may then be tried.
 */
export function decideGuess(
  suspicions: Suspicions,
  openCount: number,
  policy: AbusePolicy,
): { kind: "wait" } | ({ kind: "look" } & GuessView) {
  const { marks } = suspicions.rapid_login;
  const isWatched = openCount > 0 || PATTERN_NAMES.some((pattern) => suspicions[pattern].marks.length > 0);
  const rapid = enforced(policy.rapid_login);
  if (rapid !== null && marks.length >= rapid.limit) {
    return { kind: "look", isWatched: true, onlyAccount: marks[0]?.account ?? null };
  }
  const isFull = (pattern: Pattern): boolean => {
    const rule = enforced(policy[pattern]);
    return rule !== null && suspicions[pattern].marks.length + openCount >= rule.limit;
  };
  if (isFull("rapid_login") || isFull("password_spray")) return { kind: "wait" };
  return { kind: "look", isWatched, onlyAccount: null };
}

/** The rule if any of its steps refuses anything: nothing needs to wait for a line in the log. */
function enforced(rule: PatternPolicy | null): PatternPolicy | null {
  return rule?.steps.some(({ kind }) => kind === "block" || kind === "ban") ? rule : null;
}

/** Decides a wrong guess at `account`: it counts as rapid, and its account once as sprayed. */
export function decideFailure(
  before: Suspicions,
  account: string,
  policy: AbusePolicy,
  nowMs: number,
): { suspicions: Suspicions; detections: Detection[] } {
  const current = suspicionsAt(before, policy, nowMs);
  const mark = { atMs: nowMs, account };
  const rapid = [...current.rapid_login.marks, mark];
  const others = current.password_spray.marks.filter((one) => one.account !== account);
  const isLone = policy.isLockoutSooner && accountsOf(rapid) === 1;
  const limit = policy.rapid_login?.limit ?? 0;
  const marked = {
    ...current,
    rapid_login: { ...current.rapid_login, marks: isLone ? rapid.slice(-limit) : rapid },
    password_spray: { ...current.password_spray, marks: [...others, mark] },
  };
  // A pattern that is switched off keeps no marks.
  const kept = suspicionsAt(marked, policy, nowMs);
  return detected(kept, isLone ? ["password_spray"] : ["rapid_login", "password_spray"], policy, nowMs);
}

/** Decides a try at another account than the one that this address failed at up to the limit. */
export function decideElsewhere(
  before: Suspicions,
  policy: AbusePolicy,
  nowMs: number,
): { suspicions: Suspicions; detections: Detection[] } {
  return detected(suspicionsAt(before, policy, nowMs), ["rapid_login"], policy, nowMs);
}

/** Decides a token that is none of ours. */
export function decideBadToken(
  before: Suspicions,
  policy: AbusePolicy,
  nowMs: number,
): { suspicions: Suspicions; detections: Detection[] } {
  const current = suspicionsAt(before, policy, nowMs);
  const tokens = current.token_brute_force;
  const marks = [...tokens.marks, { atMs: nowMs, account: null }];
  return detected(
    { ...current, token_brute_force: { ...tokens, marks } },
    ["token_brute_force"],
    policy,
    nowMs,
  );
}

/** A success takes back the failures at its own account, and at no other: typing errors of its owner. */
export function withoutAccount(suspicions: Suspicions, account: string): Suspicions {
  const others = (one: Suspicion): Suspicion => ({
    ...one,
    marks: one.marks.filter((mark) => mark.account !== account),
  });
  return {
    ...suspicions,
    rapid_login: others(suspicions.rapid_login),
    password_spray: others(suspicions.password_spray),
  };
}

/** When nothing of this is worth keeping any more, in milliseconds; 0 if nothing is now. */
export function suspicionsEndAtMs(suspicions: Suspicions, policy: AbusePolicy): number {
  return Math.max(
    ...PATTERN_NAMES.map((pattern) => {
      const { marks, detections, detectedAtMs } = suspicions[pattern];
      const last = marks.at(-1);
      const marked = last === undefined ? 0 : last.atMs + (policy[pattern]?.seconds ?? 0) * 1000;
      return Math.max(marked, detections > 0 ? detectedAtMs + DETECTIONS_KEPT_MS : 0);
    }),
  );
}

function detected(
  suspicions: Suspicions,
  patterns: Pattern[],
  policy: AbusePolicy,
  nowMs: number,
): { suspicions: Suspicions; detections: Detection[] } {
  const after = { ...suspicions };
  const detections: Detection[] = [];
  for (const pattern of patterns) {
    const rule = policy[pattern];
    const { marks, detections: earlier } = suspicions[pattern];
    if (rule === null || marks.length < rule.limit) continue;
    const action = rule.steps[Math.min(earlier, rule.steps.length - 1)] ?? { kind: "log" };
    detections.push({
      pattern,
      action,
      failures: marks.length,
      accounts: accountsOf(marks),
      firstAtMs: marks[0]?.atMs ?? nowMs,
      periodSeconds: rule.seconds,
      times: earlier + 1,
    });
    after[pattern] = { marks: [], detections: earlier + 1, detectedAtMs: nowMs };
  }
  return { suspicions: after, detections };
}

function accountsOf(marks: readonly Mark[]): number {
  return new Set(marks.flatMap(({ account }) => (account === null ? [] : [account]))).size;
}
