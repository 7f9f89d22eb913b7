/**
 * What counts as abuse of one client address, and what follows (contract §2). Only failures are
 * looked at: a wrong guess at a password or code, a token that is none of ours.
 */
import type { Origin } from "./user-authority.ts";

/** Each pattern with its event's type and the name of its settings. */
export const PATTERNS = {
  rapid_login: { event: "rapid_login_attempts", setting: "ABUSE_RAPID_LOGIN" },
  password_spray: { event: "password_spray", setting: "ABUSE_PASSWORD_SPRAY" },
  token_brute_force: { event: "token_brute_force", setting: "ABUSE_TOKEN_BRUTE_FORCE" },
} as const;
export type Pattern = keyof typeof PATTERNS;
export const PATTERN_NAMES = ["rapid_login", "password_spray", "token_brute_force"] as const;

/**
 * `log`: an event in the audit trail. `warn`: and a line in the log. `block`: and nobody there may
 * guess for a while. `ban`: and nothing at all is answered there for a while.
 */
export type AbuseAction = { kind: "log" | "warn" } | { kind: "block" | "ban"; seconds: number };

/** Seen at `limit` marks within `seconds`. The first detection takes the first step, the next the next. */
export type PatternPolicy = { limit: number; seconds: number; steps: AbuseAction[] };
export type AbusePolicy = Record<Pattern, PatternPolicy | null> & {
  /** See the function of this name. */
  isLockoutSooner: boolean;
};

/** What an address may not do: guess (sign in, say a password or code), or anything at all. */
export type BlockScope = "guesses" | "everything";
export type Block = { scope: BlockScope; untilMs: number };
/** What stands after a report; `isNew`: it follows from this very report, which was still within the limit. */
export type BlockAfter = Block & { isNew?: true };

/** A guess that is about to be looked at; it counts as a failure until it is told apart. */
export type OpenGuess = {
  id: string;
  /** Guesses that have ended since the edge last asked, none of them a failure. */
  ended: string[];
  policy: AbusePolicy;
};

/** How the guard looks upon a guess that its limits admit. */
export type GuessView = {
  /** True if the end of the guess must be told also when it is no failure. */
  isWatched: boolean;
  /** The one account that this address failed at, up to the limit: none but it may be tried now. */
  onlyAccount: string | null;
};

/** `account` is a keyed hash. `elsewhere`: another account than the only one that may be tried. */
export type AbuseReport = Origin & {
  address: string;
  policy: AbusePolicy;
} & (
    | { kind: "failed" | "elsewhere"; guess: string; account: string }
    | { kind: "ended"; guess: string; proven: string | null }
    | { kind: "bad_token" }
  );

/** An admin's own block, of everything. `actor`: `operator` or `user:<id>`. */
export type Impose = Origin & { address: string; seconds: number; reason: string; actor: string };
export type Lift = Origin & { address: string; actor: string };

/** A row of D1's `address_blocks`: times are NumericDate. `cause`: a pattern, or `admin`. */
export type BlockRow = {
  address: string;
  scope: BlockScope;
  cause: Pattern | "admin";
  reason: string | null;
  actor: string | null;
  created_at: number;
  expires_at: number;
};

const ABUSE_STEP = /^(?:(log|warn)|(block|ban)\/([1-9][0-9]{0,6}))$/;
const ABUSE_SECONDS_MAX = 2_592_000;

/** One step of what follows a detection, or null for what is none. */
export function abuseAction(written: string): AbuseAction | null {
  const [, quiet, kind, seconds] = ABUSE_STEP.exec(written.trim()) ?? [];
  if (quiet === "log" || quiet === "warn") return { kind: quiet };
  const isTimed = (kind === "block" || kind === "ban") && Number(seconds) <= ABUSE_SECONDS_MAX;
  return isTimed ? { kind, seconds: Number(seconds) } : null;
}

/** Whether an account's own lockout stops guesses at it no later than rapid login would, and no shorter. */
export function isLockoutSooner(
  lockout: { lockoutThreshold: number; lockoutWindowSeconds: number; lockoutDurationSeconds: number },
  rapid: PatternPolicy | null,
): boolean {
  if (rapid === null) return false;
  const { lockoutThreshold, lockoutWindowSeconds, lockoutDurationSeconds } = lockout;
  const shortestSeconds = Math.min(lockoutWindowSeconds, lockoutDurationSeconds);
  return lockoutThreshold <= rapid.limit && shortestSeconds >= rapid.seconds;
}
