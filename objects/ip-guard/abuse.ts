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

/** One failure: of a guess at an account (a keyed hash), or a bad token. `isTold`: it was among those of a detection. */
export type Mark = { atMs: number; account: string | null; isTold?: true };
type Suspicion = { marks: Mark[]; detections: number; detectedAtMs: number };
export type Suspicions = Record<Pattern, Suspicion>;

/** What was seen, and what follows. */
export type Detection = {
  pattern: Pattern;
  /** `lockout`: nothing against the address, since the one account that it failed at is locked. */
  action: AbuseAction | { kind: "lockout" };
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
  const rapid = enforced(policy.rapid_login);
  if (rapid !== null && marks.length >= rapid.limit) {
    return { kind: "look", isWatched: true, onlyAccount: marks[0]?.account ?? null };
  }
  const isFull = (open: number): boolean =>
    (["rapid_login", "password_spray"] as const).some((pattern) => {
      const rule = enforced(policy[pattern]);
      return rule !== null && suspicions[pattern].marks.length + open >= rule.limit;
    });
  if (isFull(openCount)) return { kind: "wait" };
  const isMarked = PATTERN_NAMES.some((pattern) => suspicions[pattern].marks.length > 0);
  // Whoever must wait for it is let in by hearing of its end.
  return { kind: "look", isWatched: isMarked || openCount > 0 || isFull(openCount + 1), onlyAccount: null };
}

/** The rule if any of its steps refuses anything: nothing needs to wait for a line in the log. */
function enforced(rule: PatternPolicy | null): PatternPolicy | null {
  return rule?.steps.some(({ kind }) => kind === "block" || kind === "ban") ? rule : null;
}

/**
 * Decides a wrong guess at `account`: it counts as rapid, and its account once as sprayed. At one account
 * alone it is told once, and left to that account's lockout.
 */
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
  // A pattern that is switched off keeps no marks.
  const kept = suspicionsAt(
    {
      ...current,
      rapid_login: marked(current, "rapid_login", isLone ? rapid.slice(-limit) : rapid, policy, nowMs),
      password_spray: marked(current, "password_spray", [...others, mark], policy, nowMs),
    },
    policy,
    nowMs,
  );
  if (!isLone) return detected(kept, ["rapid_login", "password_spray"], policy, nowMs);
  const alone = lone(kept, policy, nowMs);
  const sprayed = detected(alone.suspicions, ["password_spray"], policy, nowMs);
  return { ...sprayed, detections: [...alone.detections, ...sprayed.detections] };
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
    { ...current, token_brute_force: marked(current, "token_brute_force", marks, policy, nowMs) },
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

/**
 * The suspicion with more marks. After a step that stops nothing of its kind (`log`, `warn`; for tokens a
 * `block`, which is of guesses) none counts for a period: what goes on is the attack that was told. What
 * a step does stop is not asked about here while it stands.
 */
function marked(
  suspicions: Suspicions,
  pattern: Pattern,
  marks: Mark[],
  policy: AbusePolicy,
  nowMs: number,
): Suspicion {
  const suspicion = suspicions[pattern];
  const rule = policy[pattern];
  if (rule === null || suspicion.detections === 0) return { ...suspicion, marks };
  const { kind } = stepOf(rule, suspicion.detections);
  const stops = kind === "ban" || (kind === "block" && pattern !== "token_brute_force");
  const isTold = !stops && suspicion.detectedAtMs + rule.seconds * 1000 > nowMs;
  return isTold ? suspicion : { ...suspicion, marks };
}

/** The step that the n-th detection takes: the last one is taken again and again. */
function stepOf({ steps }: PatternPolicy, n: number): AbuseAction {
  return steps[Math.min(n, steps.length) - 1] ?? { kind: "log" };
}

/** As many failures at one account as rapid login takes: told once, and the marks stay, for a second account. */
function lone(
  suspicions: Suspicions,
  policy: AbusePolicy,
  nowMs: number,
): { suspicions: Suspicions; detections: Detection[] } {
  const { rapid_login: rule } = policy;
  const { rapid_login } = suspicions;
  const { marks, detections } = rapid_login;
  if (rule === null || marks.length < rule.limit || marks.some(({ isTold }) => isTold))
    return { suspicions, detections: [] };
  const told = marks.map((mark) => ({ ...mark, isTold: true as const }));
  return {
    suspicions: { ...suspicions, rapid_login: { ...rapid_login, marks: told } },
    detections: [seen("rapid_login", { kind: "lockout" }, marks, rule, detections + 1, nowMs)],
  };
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
    const times = earlier + 1;
    detections.push(seen(pattern, stepOf(rule, times), marks, rule, times, nowMs));
    after[pattern] = { marks: [], detections: times, detectedAtMs: nowMs };
  }
  return { suspicions: after, detections };
}

function seen(
  pattern: Pattern,
  action: Detection["action"],
  marks: readonly Mark[],
  { seconds: periodSeconds }: PatternPolicy,
  times: number,
  nowMs: number,
): Detection {
  const firstAtMs = marks[0]?.atMs ?? nowMs;
  return {
    pattern,
    action,
    failures: marks.length,
    accounts: accountsOf(marks),
    firstAtMs,
    periodSeconds,
    times,
  };
}

function accountsOf(marks: readonly Mark[]): number {
  return new Set(marks.flatMap(({ account }) => (account === null ? [] : [account]))).size;
}
