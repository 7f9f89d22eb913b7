import { describe, expect, it } from "vitest";
import {
  decideBadToken,
  decideElsewhere,
  decideFailure,
  decideGuess,
  type Suspicions,
  suspicionsAt,
  suspicionsEndAtMs,
  UNSUSPECTED,
  withoutAccount,
} from "../../../objects/ip-guard/abuse.ts";
import { blockAt, decideDetected, decideImposed, decideLifted } from "../../../objects/ip-guard/blocks.ts";
import type { AbusePolicy } from "../../../schema/abuse.ts";

const T = 1_800_000_000_000;
const POLICY: AbusePolicy = {
  rapid_login: { limit: 5, seconds: 300, steps: [{ kind: "block", seconds: 300 }] },
  password_spray: { limit: 10, seconds: 3600, steps: [{ kind: "ban", seconds: 86_400 }] },
  token_brute_force: { limit: 20, seconds: 1800, steps: [{ kind: "warn" }, { kind: "ban", seconds: 60 }] },
  isLockoutSooner: true,
};

/** Failures at these accounts, a second apart; what was detected on the way. */
function failures(accounts: string[], policy = POLICY, everyMs = 1000) {
  let suspicions: Suspicions = UNSUSPECTED;
  const detected = accounts.flatMap((account, i) => {
    const decision = decideFailure(suspicions, account, policy, T + i * everyMs);
    suspicions = decision.suspicions;
    return decision.detections;
  });
  return { suspicions, detected };
}
const distinct = (count: number) => Array.from({ length: count }, (_, i) => `account-${i}`);

describe("contract §2: failures", () => {
  it("rapid login: four are nothing, the fifth at two accounts or more is", () => {
    expect(failures(distinct(4)).detected).toEqual([]);
    expect(failures(["a", "a", "a", "a", "b"]).detected).toMatchObject([
      { pattern: "rapid_login", failures: 5, accounts: 2, times: 1, action: { kind: "block", seconds: 300 } },
    ]);
  });

  it("five in 300 s to the millisecond are rapid, in more they are not", () => {
    expect(failures(distinct(5), POLICY, 74_999).detected).toHaveLength(1);
    expect(failures(distinct(5), POLICY, 75_000).detected).toHaveLength(0);
  });

  it("at one account they are its lockout's, unless that comes later than rapid login", () => {
    const { detected, suspicions } = failures(["a", "a", "a", "a", "a", "a"]);
    expect(detected).toEqual([]);
    expect(decideGuess(suspicions, 3, POLICY)).toEqual({ kind: "look", isWatched: true, onlyAccount: "a" });
    expect(decideElsewhere(suspicions, POLICY, T + 7000).detections).toMatchObject([
      { pattern: "rapid_login" },
    ]);
    const later = { ...POLICY, isLockoutSooner: false };
    expect(failures(["a", "a", "a", "a", "a"], later).detected).toHaveLength(1);
  });

  it("spray counts accounts, not failures", () => {
    const noRapid = { ...POLICY, rapid_login: null };
    expect(failures([...distinct(9), ...distinct(9)], noRapid).detected).toEqual([]);
    expect(failures(distinct(10), noRapid).detected).toMatchObject([
      { pattern: "password_spray", accounts: 10 },
    ]);
  });

  it("a success takes back its own account's, and no other's", () => {
    const { suspicions } = failures(["a", "b", "a", "b"]);
    const left = withoutAccount(suspicions, "a");
    expect(left.rapid_login.marks.map(({ account }) => account)).toEqual(["b", "b"]);
    expect(left.password_spray.marks.map(({ account }) => account)).toEqual(["b"]);
  });

  it("what is switched off keeps nothing, and what has passed is forgotten", () => {
    const off = { ...POLICY, rapid_login: null, password_spray: null };
    expect(failures(distinct(20), off)).toEqual({ suspicions: UNSUSPECTED, detected: [] });
    const { suspicions } = failures(distinct(4));
    const endsAtMs = suspicionsEndAtMs(suspicions, POLICY);
    expect(endsAtMs).toBe(T + 3000 + 3_600_000);
    expect(suspicionsEndAtMs(suspicionsAt(suspicions, POLICY, endsAtMs), POLICY)).toBe(0);
  });
});

describe("open guesses count as failures until they are told apart", () => {
  it("for rapid login and for spraying, whichever is nearer", () => {
    const { suspicions } = failures(distinct(3));
    expect(decideGuess(suspicions, 1, POLICY).kind).toBe("look");
    expect(decideGuess(suspicions, 2, POLICY).kind).toBe("wait");
    const slowly = suspicionsAt(failures(distinct(9), POLICY, 200_000).suspicions, POLICY, T + 1_950_000);
    expect(decideGuess(slowly, 0, POLICY).kind).toBe("look");
    expect(decideGuess(slowly, 1, POLICY).kind).toBe("wait");
  });

  it("nothing waits where nothing would be refused", () => {
    const quiet = { ...POLICY, rapid_login: { limit: 5, seconds: 300, steps: [{ kind: "warn" as const }] } };
    expect(decideGuess(UNSUSPECTED, 9, { ...quiet, password_spray: null }).kind).toBe("look");
  });

  it("a guess is watched only beside others, so that a lone honest one costs nothing", () => {
    expect(decideGuess(UNSUSPECTED, 0, POLICY)).toMatchObject({ isWatched: false });
    expect(decideGuess(UNSUSPECTED, 1, POLICY)).toMatchObject({ isWatched: true });
  });
});

it("each detection within a day takes the next step, and the last one again", () => {
  let suspicions: Suspicions = UNSUSPECTED;
  const actions: string[] = [];
  const twenty = (fromMs: number) => {
    for (let i = 0; i < 20; i += 1) {
      const decision = decideBadToken(suspicions, POLICY, fromMs + i);
      suspicions = decision.suspicions;
      actions.push(...decision.detections.map(({ action }) => action.kind));
    }
  };
  for (const hour of [0, 1, 2, 40]) twenty(T + hour * 3_600_000);
  expect(actions).toEqual(["warn", "ban", "ban", "warn"]);
});

describe("a block", () => {
  const detection = (kind: "block" | "ban", seconds: number) => {
    const [first] = failures(distinct(5)).detected;
    if (first === undefined) throw new Error("nothing was detected");
    return { ...first, action: { kind, seconds } };
  };
  const origin = { client: { ip: null, country: null, userAgent: null }, requestId: "r" };

  it("ends to the millisecond", () => {
    const standing = decideDetected(null, detection("block", 300), "a", T);
    expect(blockAt(standing, T + 299_999)).toEqual({ scope: "guesses", untilMs: T + 300_000 });
    expect(blockAt(standing, T + 300_000)).toBeNull();
  });

  it("is never weakened or shortened by a detection, only by an admin", () => {
    const ban = decideDetected(null, detection("ban", 3600), "a", T);
    expect(decideDetected(ban, detection("block", 300), "a", T + 1)).toBe(ban);
    const command = { ...origin, address: "a", seconds: 10, reason: "x", actor: "operator" };
    const imposed = decideImposed(ban, command, T + 2);
    expect(blockAt(imposed, T + 2)).toEqual({ scope: "everything", untilMs: T + 10_002 });
    const lifted = decideLifted(imposed, T + 3);
    expect(blockAt(lifted, T + 3)).toBeNull();
    expect(decideLifted(lifted, T + 4)).toBeNull();
    expect(lifted?.revision).toBeGreaterThan(imposed.revision);
    expect(imposed.revision).toBeGreaterThan(ban?.revision ?? 0);
  });

  it("is longer if it would end before the new one", () => {
    const block = decideDetected(null, detection("block", 300), "a", T);
    const again = decideDetected(block, detection("ban", 60), "a", T + 1000);
    expect(blockAt(again, T + 1000)).toEqual({ scope: "everything", untilMs: T + 300_000 });
  });
});
