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
import {
  blockAt,
  decideDetected,
  decideImposed,
  decideLifted,
  stops,
} from "../../../objects/ip-guard/blocks.ts";
import type { AbuseAction, AbusePolicy } from "../../../schema/abuse.ts";

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
    expect(detected, "told once, and the lockout stands in").toMatchObject([
      { pattern: "rapid_login", failures: 5, accounts: 1, times: 1, action: { kind: "lockout" } },
    ]);
    expect(decideGuess(suspicions, 3, POLICY)).toEqual({ kind: "look", isWatched: true, onlyAccount: "a" });
    expect(decideElsewhere(suspicions, POLICY, T + 7000).detections).toMatchObject([
      { pattern: "rapid_login" },
    ]);
    const later = { ...POLICY, isLockoutSooner: false };
    expect(failures(["a", "a", "a", "a", "a"], later).detected).toHaveLength(1);
  });

  it("at one account again are told again; taken back by a success, they are no excuse for others", () => {
    expect(failures(Array.from({ length: 10 }, () => "a")).detected).toHaveLength(2);
    let { suspicions } = failures(["a", "a", "a", "a", "a"]);
    suspicions = withoutAccount(suspicions, "a");
    const detections = distinct(5).flatMap((account, i) => {
      const decision = decideFailure(suspicions, account, POLICY, T + 5000 + i);
      suspicions = decision.suspicions;
      return decision.detections;
    });
    expect(detections).toMatchObject([{ action: { kind: "block" }, accounts: 5 }]);
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

  it("a guess that fills the last place is watched, since the next one waits for its end", () => {
    const one = {
      ...POLICY,
      rapid_login: { limit: 1, seconds: 300, steps: [{ kind: "block" as const, seconds: 1 }] },
    };
    expect(decideGuess(UNSUSPECTED, 0, one)).toMatchObject({ kind: "look", isWatched: true });
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

describe("one attack is detected once", () => {
  const tokens = (steps: AbuseAction[], count: number, everyMs: number) => {
    const policy = { ...POLICY, token_brute_force: { limit: 20, seconds: 1800, steps } };
    let suspicions: Suspicions = UNSUSPECTED;
    return Array.from({ length: count }, (_, i) => i).flatMap((i) => {
      const decision = decideBadToken(suspicions, policy, T + i * everyMs);
      suspicions = decision.suspicions;
      return decision.detections.map(({ action }) => [i, action.kind]);
    });
  };

  it("after a step that stops no tokens none counts for a period: sixty-five at once take one step", () => {
    const steps: AbuseAction[] = [
      { kind: "warn" },
      { kind: "block", seconds: 300 },
      { kind: "ban", seconds: 3600 },
    ];
    expect(tokens(steps, 65, 0)).toEqual([[19, "warn"]]);
    expect(tokens(steps, 600, 10_000)).toEqual([
      [19, "warn"],
      [218, "block"],
      [417, "ban"],
      [437, "ban"],
      [457, "ban"],
      [477, "ban"],
      [497, "ban"],
      [517, "ban"],
      [537, "ban"],
      [557, "ban"],
      [577, "ban"],
      [597, "ban"],
    ]);
  });

  it("what a block stops was on its way before it, and is not asked about", () => {
    const block = { scope: "guesses" as const, untilMs: T };
    expect([stops(null, true), stops(block, true), stops(block, false)]).toEqual([false, true, false]);
    expect(stops({ ...block, scope: "everything" }, false)).toBe(true);
  });
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
