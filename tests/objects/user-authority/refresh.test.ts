import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Account, Family, SessionPolicy } from "../../../objects/user-authority/family.ts";
import { decideRefresh, type RefreshInput } from "../../../objects/user-authority/refresh.ts";
import type { SessionId, TokenId, UserId } from "../../../schema/ids.ts";

const NOW = 1_800_000_000;
const NOW_MS = NOW * 1000;
const POLICY: SessionPolicy = {
  refreshTokenTtlSeconds: 86_400,
  sessionMaxAgeSeconds: 2_592_000,
  refreshGraceSeconds: 10,
  refreshGraceSameClientSeconds: 600,
  sessionsPerUserMax: 100,
  accessTokenTtlSeconds: 600,
  compatSimplejwt: false,
};

const token = (n: number) => `token-${String(n).padStart(16, "0")}` as TokenId;
const HOME = { ip: "192.0.2.1", country: "NL", userAgent: "Home/1" };
const AWAY = { ip: "198.51.100.9", country: "BR", userAgent: "Away/2" };
const DENIED = { kind: "deny", reason: "revoked" };

/** Begun at NOW, rotated four seconds later to generation 4, from home. */
const FAMILY: Family = frozen({
  sid: "session-00000000000001" as SessionId,
  epoch: 5,
  generation: 4,
  tokenId: token(4),
  issuedAt: NOW + 4,
  expiresAt: NOW + 4 + 86_400,
  previous: { tokenId: token(3), replacedAtMs: NOW_MS + 4000 },
  clientKey: "home",
  createdAt: NOW,
  absoluteExpiresAt: NOW + 2_592_000,
  authTime: NOW,
  amr: ["pwd"],
  client: HOME,
  deviceName: "kitchen",
  history: [{ at: NOW + 4, clientChanged: false }],
  ended: null,
});

const ACCOUNT: Account = frozen({
  user: { id: 7 as UserId, username: "ada", email: null, role: "user", isActive: true, version: 1 },
  epoch: 5,
  revokedBefore: 0,
  erasedAt: null,
  epochHistory: [],
});

/** Token `n` presented; its successor would be token 1000 + n. */
function present(n: number, from: "home" | "away" = "home"): RefreshInput {
  return frozen({
    presented: { tokenId: token(n), generation: n },
    successor: token(1000 + n),
    clientKey: from,
    client: from === "home" ? HOME : AWAY,
    inFlight: 1,
  });
}

describe("the newest token", () => {
  test("REF-01, contract §5.1: it rotates: a new token one generation on, and this one is the previous", () => {
    const nowMs = NOW_MS + 20_250;
    expect(decideRefresh(FAMILY, ACCOUNT, present(4), nowMs, POLICY)).toEqual({
      kind: "rotate",
      family: {
        ...FAMILY,
        generation: 5,
        tokenId: token(1004),
        issuedAt: NOW + 20,
        expiresAt: NOW + 20 + 86_400,
        previous: { tokenId: token(4), replacedAtMs: nowMs },
        history: [
          { at: NOW + 4, clientChanged: false },
          { at: NOW + 20, clientChanged: false },
        ],
      },
    });
  });

  test("REF-01: the very first token of a session rotates, too", () => {
    const first = { ...FAMILY, generation: 0, tokenId: token(0), previous: null, history: [] };
    expect(rotated(first, present(0), NOW_MS)).toMatchObject({
      generation: 1,
      tokenId: token(1000),
      previous: { tokenId: token(0), replacedAtMs: NOW_MS },
    });
  });

  test("contract §5: it rotates from anywhere, and the family follows the client that holds the successor", () => {
    const next = rotated(FAMILY, present(4, "away"), NOW_MS + 30_000);
    expect(next).toMatchObject({ clientKey: "away", client: AWAY });
    expect(next.history.at(-1)).toEqual({ at: NOW + 30, clientChanged: true });
    expect(next).toMatchObject({ authTime: NOW, createdAt: NOW, amr: ["pwd"], deviceName: "kitchen" });
  });

  test("REF-09: each refresh renews the idle expiry", () => {
    const aWeekOn = { ...FAMILY, issuedAt: NOW + 604_800, expiresAt: NOW + 604_800 + 86_400 };
    const nowMs = (NOW + 604_800 + 86_399) * 1000;
    expect(rotated(aWeekOn, present(4), nowMs).expiresAt).toBe(NOW + 604_800 + 86_399 + 86_400);
  });

  test("REF-08: the idle expiry is capped by the absolute one, which stays", () => {
    const old = { ...FAMILY, absoluteExpiresAt: NOW + 100, expiresAt: NOW + 100 };
    const next = rotated(old, present(4), NOW_MS + 50_000);
    expect(next).toMatchObject({ absoluteExpiresAt: NOW + 100, expiresAt: NOW + 100, issuedAt: NOW + 50 });
  });

  test("REF-08: a session refreshed as often as can be still ends at its absolute end", () => {
    const policy = { ...POLICY, refreshTokenTtlSeconds: 3600 };
    let family: Family = { ...FAMILY, absoluteExpiresAt: NOW + 86_400, expiresAt: NOW + 3600 };
    let n = 4;
    for (let at = NOW + 600; at < NOW + 86_400; at += 600) {
      const input = { ...present(4), presented: { tokenId: family.tokenId, generation: n } };
      n += 1;
      family = rotated(family, { ...input, successor: token(n) }, at * 1000, policy);
      expect(family.absoluteExpiresAt).toBe(NOW + 86_400);
    }
    expect(family.generation).toBe(147);
    expect(family.expiresAt).toBe(NOW + 86_400);
    const last = { ...present(4), presented: { tokenId: family.tokenId, generation: n } };
    expect(decideRefresh(family, ACCOUNT, last, (NOW + 86_400) * 1000, policy)).toEqual(DENIED);
  });

  test("a refresh in a second that the global epoch ended is dated by the end of that second", () => {
    const account = { ...ACCOUNT, revokedBefore: NOW + 61 };
    const family = { ...FAMILY, createdAt: NOW + 61, authTime: NOW + 61 };
    expect(rotated(family, present(4), NOW_MS + 60_500, POLICY, account)).toMatchObject({
      issuedAt: NOW + 61,
      expiresAt: NOW + 61 + 86_400,
    });
  });

  test("the timeline keeps the latest fifty refreshes", () => {
    const history = Array.from({ length: 50 }, (_, i) => ({ at: NOW + i, clientChanged: false }));
    const next = rotated({ ...FAMILY, history }, present(4, "away"), NOW_MS + 60_000);
    expect(next.history).toHaveLength(50);
    expect(next.history[0]).toEqual({ at: NOW + 1, clientChanged: false });
    expect(next.history[49]).toEqual({ at: NOW + 60, clientChanged: true });
  });

  test("REF-01: a successor that is the presented token is our own mistake", () => {
    const input = { ...present(4), successor: token(4) };
    expect(() => decideRefresh(FAMILY, ACCOUNT, input, NOW_MS, POLICY)).toThrow("a successor is a new token");
  });
});

describe("the token just replaced", () => {
  const REPLACED_MS = NOW_MS + 4000;

  test.for<[string, "home" | "away", number, Partial<SessionPolicy>, "repeat" | "end"]>([
    ["REF-10: elsewhere, at once", "away", 0, {}, "repeat"],
    ["REF-03: elsewhere, in the grace's last millisecond", "away", 10_000, {}, "repeat"],
    ["REF-05: elsewhere, one millisecond after the grace", "away", 10_001, {}, "end"],
    ["REF-10: same client, after the short grace", "home", 10_001, {}, "repeat"],
    ["REF-03: same client, in its grace's last millisecond", "home", 600_000, {}, "repeat"],
    ["REF-05: same client, one millisecond after its grace", "home", 600_001, {}, "end"],
    ["elsewhere with no grace, one millisecond later", "away", 1, { refreshGraceSeconds: 0 }, "end"],
    [
      "same client with no grace of its own, in the general one's last millisecond",
      "home",
      10_000,
      { refreshGraceSameClientSeconds: 0 },
      "repeat",
    ],
    [
      "same client with no grace of its own, one millisecond after the general one",
      "home",
      10_001,
      { refreshGraceSameClientSeconds: 0 },
      "end",
    ],
    [
      "no grace at all, one millisecond later",
      "home",
      1,
      { refreshGraceSeconds: 0, refreshGraceSameClientSeconds: 0 },
      "end",
    ],
    [
      "no grace at all, within the same millisecond: calls at once are one use",
      "home",
      0,
      { refreshGraceSeconds: 0, refreshGraceSameClientSeconds: 0 },
      "repeat",
    ],
  ])("%s", ([, from, sinceMs, policy, kind]) => {
    const nowMs = REPLACED_MS + sinceMs;
    const decision = decideRefresh(FAMILY, ACCOUNT, present(3, from), nowMs, { ...POLICY, ...policy });
    expect(decision.kind).toBe(kind);
  });

  test("REF-03: it is answered with the family as it is: the same successor, byte for byte, and no new branch", () => {
    expect(decideRefresh(FAMILY, ACCOUNT, present(3), NOW_MS + 5000, POLICY)).toEqual({
      kind: "repeat",
      family: FAMILY,
      elsewhere: false,
    });
  });

  test("architecture: from another client within the grace it is marked, for an event of medium risk", () => {
    expect(decideRefresh(FAMILY, ACCOUNT, present(3, "away"), NOW_MS + 5000, POLICY)).toEqual({
      kind: "repeat",
      family: FAMILY,
      elsewhere: true,
    });
  });

  test("contract §5.2: the same client is the one that the successor was made for, not the one before", () => {
    const moved = rotated(FAMILY, present(4, "away"), NOW_MS + 60_000);
    expect(decideRefresh(moved, ACCOUNT, present(4, "home"), NOW_MS + 70_001, POLICY).kind).toBe("end");
    expect(decideRefresh(moved, ACCOUNT, present(4, "away"), NOW_MS + 70_001, POLICY).kind).toBe("repeat");
  });

  test("REF-02: fifty uses of one token at one moment make exactly one successor", () => {
    let family = FAMILY;
    const kinds: string[] = [];
    for (let i = 0; i < 50; i += 1) {
      const input = { ...present(4, i % 2 === 0 ? "home" : "away"), successor: token(2000 + i) };
      const decision = decideRefresh(family, ACCOUNT, input, NOW_MS + 60_000, POLICY);
      kinds.push(decision.kind);
      if (decision.kind === "rotate") family = decision.family;
      expect(family.tokenId).toBe(token(2000));
    }
    expect(kinds).toEqual(["rotate", ...Array.from({ length: 49 }, () => "repeat")]);
  });

  test("REF-09: a session that has idled out repeats nothing, also inside the grace", () => {
    const brief = { ...FAMILY, expiresAt: NOW + 6 };
    expect(decideRefresh(brief, ACCOUNT, present(3), NOW_MS + 6000, POLICY)).toEqual(DENIED);
  });
});

describe("any other token that the family ever had", () => {
  test("REF-04: a grandparent is reuse at once, also inside the grace", () => {
    const decision = decideRefresh(FAMILY, ACCOUNT, present(2), NOW_MS + 4000, POLICY);
    expect(decision).toMatchObject({ kind: "end", reason: "reuse" });
  });

  test("contract §5.2: once its successor was presented, a replaced token is reuse, also inside the grace", () => {
    const next = rotated(FAMILY, present(4), NOW_MS + 5000);
    expect(decideRefresh(next, ACCOUNT, present(3), NOW_MS + 5000, POLICY)).toMatchObject({
      kind: "end",
      reason: "reuse",
    });
  });

  test("REF-04: a first session's token with nothing before it is reuse if it is not the newest", () => {
    const first = { ...FAMILY, previous: null };
    expect(decideRefresh(first, ACCOUNT, present(3), NOW_MS, POLICY)).toMatchObject({ reason: "reuse" });
  });

  test("architecture: the verdict tells how far behind, how old, from where, and how many were in flight", () => {
    const input = { ...present(1, "away"), inFlight: 3 };
    expect(decideRefresh(FAMILY, ACCOUNT, input, NOW_MS + 64_900, POLICY)).toEqual({
      kind: "end",
      reason: "reuse",
      verdict: {
        generationGap: 3,
        ageSeconds: 60,
        addressChanged: true,
        userAgentChanged: true,
        inFlight: 3,
      },
    });
  });

  test("architecture: the verdict tells address and user agent apart", () => {
    const verdictFor = (client: RefreshInput["client"]) => {
      const decision = decideRefresh(FAMILY, ACCOUNT, { ...present(2), client }, NOW_MS + 9000, POLICY);
      return decision.kind === "end" ? decision.verdict : null;
    };
    expect(verdictFor(HOME)).toMatchObject({ addressChanged: false, userAgentChanged: false });
    expect(verdictFor({ ...HOME, ip: AWAY.ip })).toMatchObject({
      addressChanged: true,
      userAgentChanged: false,
    });
    expect(verdictFor({ ...HOME, userAgent: null })).toMatchObject({
      addressChanged: false,
      userAgentChanged: true,
    });
  });

  test("architecture: the verdict on the token just replaced has a gap of one", () => {
    const decision = decideRefresh(FAMILY, ACCOUNT, present(3), NOW_MS + 604_001, POLICY);
    expect(decision).toMatchObject({ verdict: { generationGap: 1, ageSeconds: 600 } });
  });
});

describe("a session that is not live", () => {
  test.for([
    ["the newest", 4],
    ["the one just replaced, inside its grace", 3],
    ["a grandparent", 2],
  ] as const)("REF-06: after its end no member works: %s", ([, n]) => {
    const ended = { ...FAMILY, ended: { at: NOW + 5, reason: "reuse" as const, verdict: null } };
    expect(decideRefresh(ended, ACCOUNT, present(n), NOW_MS + 5000, POLICY)).toEqual(DENIED);
  });

  test("contract §5.4: a session that nobody knows, and one of a user that nobody knows, are denied", () => {
    expect(decideRefresh(null, ACCOUNT, present(4), NOW_MS, POLICY)).toEqual(DENIED);
    expect(decideRefresh(FAMILY, null, present(4), NOW_MS, POLICY)).toEqual(DENIED);
    expect(decideRefresh(null, null, present(4), NOW_MS, POLICY)).toEqual(DENIED);
  });

  test("REF-09: it is good in the last millisecond before its expiry, and dead at the very second", () => {
    const expiresMs = FAMILY.expiresAt * 1000;
    expect(decideRefresh(FAMILY, ACCOUNT, present(4), expiresMs - 1, POLICY).kind).toBe("rotate");
    expect(decideRefresh(FAMILY, ACCOUNT, present(4), expiresMs, POLICY)).toEqual(DENIED);
    expect(decideRefresh(FAMILY, ACCOUNT, present(2), expiresMs, POLICY)).toEqual(DENIED);
  });

  test("REV-02: a moved epoch ends it; what began under the new one lives", () => {
    const moved = { ...ACCOUNT, epoch: 6 };
    expect(decideRefresh(FAMILY, moved, present(4), NOW_MS + 5000, POLICY)).toEqual(DENIED);
    expect(decideRefresh(FAMILY, moved, present(3), NOW_MS + 5000, POLICY)).toEqual(DENIED);
    expect(decideRefresh({ ...FAMILY, epoch: 6 }, moved, present(4), NOW_MS + 5000, POLICY).kind).toBe(
      "rotate",
    );
  });

  test("REV-02: the global epoch ends what began before it, and nothing that began at it", () => {
    const before = { ...ACCOUNT, revokedBefore: NOW + 1 };
    expect(decideRefresh(FAMILY, before, present(4), NOW_MS + 5000, POLICY)).toEqual(DENIED);
    const at = { ...ACCOUNT, revokedBefore: NOW };
    expect(decideRefresh(FAMILY, at, present(4), NOW_MS + 5000, POLICY).kind).toBe("rotate");
  });

  test("REF-11: an inactive user's refresh ends the session, whichever token it was", () => {
    const inactive = { ...ACCOUNT, user: { ...ACCOUNT.user, isActive: false } };
    for (const n of [4, 3, 2]) {
      expect(decideRefresh(FAMILY, inactive, present(n), NOW_MS + 5000, POLICY)).toEqual({
        kind: "end",
        reason: "user_inactive",
        verdict: null,
      });
    }
  });

  test("REV-07: an inactive user's ended session stays as it ended", () => {
    const inactive = { ...ACCOUNT, user: { ...ACCOUNT.user, isActive: false } };
    const ended = { ...FAMILY, ended: { at: NOW + 5, reason: "logout" as const, verdict: null } };
    expect(decideRefresh(ended, inactive, present(4), NOW_MS + 5000, POLICY)).toEqual(DENIED);
  });
});

describe("properties", () => {
  const CLIENTS = ["home", "away"] as const;
  const clientOf = (isHome: boolean): "home" | "away" => (isHome ? "home" : "away");
  // Half of all presentations are of one of the three newest tokens; any older one may be.
  const presentation = fc.record({
    behind: fc.oneof(fc.nat({ max: 2 }), fc.nat({ max: 40 })),
    isHome: fc.boolean(),
    gapMs: fc.oneof(
      fc.nat({ max: 20_000 }),
      fc.constantFrom(0, 1, 9_999, 10_000, 10_001, 600_000, 600_001),
      fc.nat({ max: 90_000_000 }),
    ),
  });
  const policies = fc.record({
    refreshTokenTtlSeconds: fc.integer({ min: 1, max: 100_000 }),
    sessionMaxAgeSeconds: fc.integer({ min: 1, max: 300_000 }),
    refreshGraceSeconds: fc.constantFrom(0, 10, 300),
    refreshGraceSameClientSeconds: fc.constantFrom(0, 10, 600),
    sessionsPerUserMax: fc.constant(100),
    accessTokenTtlSeconds: fc.constant(600),
    compatSimplejwt: fc.constant(false),
  });

  test("REF-02, REF-06, REF-08: over any presentations at most one token is good as new and one as a repeat, the absolute end stays, and an end is for ever", () => {
    fc.assert(
      fc.property(fc.array(presentation, { maxLength: 40 }), policies, (presentations, policy) => {
        const issued = [token(0)];
        let family = begin(policy);
        let nowMs = NOW_MS;
        const input = (index: number, from: "home" | "away"): RefreshInput => ({
          ...present(0, from),
          presented: { tokenId: issued[index] ?? token(0), generation: index },
          successor: token(issued.length),
        });
        for (const { behind, isHome, gapMs } of presentations) {
          nowMs += gapMs;
          const verdicts = issued.flatMap((name, index) =>
            CLIENTS.map((from) => ({
              name,
              kind: decideRefresh(family, ACCOUNT, input(index, from), nowMs, policy).kind,
            })),
          );
          const good = (kind: string) =>
            new Set(verdicts.filter((verdict) => verdict.kind === kind).map(({ name }) => name)).size;
          expect(good("rotate")).toBeLessThanOrEqual(1);
          expect(good("repeat")).toBeLessThanOrEqual(1);
          if (family.ended !== null)
            expect(new Set(verdicts.map(({ kind }) => kind))).toEqual(new Set(["deny"]));

          const index = Math.max(0, issued.length - 1 - behind);
          const decision = decideRefresh(family, ACCOUNT, input(index, clientOf(isHome)), nowMs, policy);
          if (decision.kind === "rotate") {
            family = decision.family;
            issued.push(family.tokenId);
          } else if (decision.kind === "repeat") {
            expect(decision.family).toBe(family);
          } else if (decision.kind === "end") {
            const { reason, verdict } = decision;
            family = { ...family, ended: { at: Math.floor(nowMs / 1000), reason, verdict } };
          }
          expect(family.absoluteExpiresAt).toBe(NOW + policy.sessionMaxAgeSeconds);
          expect(family.expiresAt).toBeLessThanOrEqual(family.absoluteExpiresAt);
          expect(family.generation).toBe(issued.length - 1);
        }
      }),
    );
  });

  test("REF-10: a client that loses any number of answers is never signed out by its own retries within its grace", () => {
    // It presents the newest token it was told of, again and again, until an answer arrives.
    const tries = fc.array(
      fc.record({ arrives: fc.boolean(), gapMs: fc.nat({ max: 10_000 }), isHome: fc.boolean() }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(tries, (attempts) => {
        let family = begin(POLICY);
        let held = { tokenId: token(0), generation: 0 };
        let nowMs = NOW_MS;
        attempts.forEach(({ arrives, gapMs, isHome }, i) => {
          const from = clientOf(isHome);
          // Each retry comes within the grace that is the client's there, counted from the replacement.
          const isRetry = held.tokenId !== family.tokenId;
          if (isRetry && family.previous !== null) {
            const graceMs = from === family.clientKey ? 600_000 : 10_000;
            const leftMs = graceMs - (nowMs - family.previous.replacedAtMs);
            if (leftMs < 0) return;
            nowMs += Math.min(gapMs, leftMs);
          } else nowMs += gapMs;
          const input = { ...present(0, from), presented: held, successor: token(i + 1) };
          const decision = decideRefresh(family, ACCOUNT, input, nowMs, POLICY);
          expect(["rotate", "repeat"]).toContain(decision.kind);
          if (decision.kind === "rotate") family = decision.family;
          if (arrives) held = { tokenId: family.tokenId, generation: family.generation };
        });
      }),
    );
  });

  test("REF-05: whoever of owner and thief comes second beyond the grace ends the session", () => {
    const beyond = fc.integer({ min: 600_001, max: 86_399_000 });
    fc.assert(
      fc.property(beyond, fc.boolean(), fc.boolean(), (gapMs, firstIsHome, secondIsHome) => {
        const family = rotated(begin(POLICY), present(0, clientOf(firstIsHome)), NOW_MS);
        const second = present(0, clientOf(secondIsHome));
        expect(decideRefresh(family, ACCOUNT, second, NOW_MS + gapMs, POLICY)).toMatchObject({
          kind: "end",
          reason: "reuse",
        });
      }),
    );
  });

  function begin(policy: SessionPolicy): Family {
    const absoluteExpiresAt = NOW + policy.sessionMaxAgeSeconds;
    return {
      ...FAMILY,
      generation: 0,
      tokenId: token(0),
      issuedAt: NOW,
      expiresAt: Math.min(NOW + policy.refreshTokenTtlSeconds, absoluteExpiresAt),
      previous: null,
      absoluteExpiresAt,
      history: [],
    };
  }
});

function rotated(
  family: Family,
  input: RefreshInput,
  nowMs: number,
  policy: SessionPolicy = POLICY,
  account: Account = ACCOUNT,
): Family {
  const decision = decideRefresh(family, account, input, nowMs, policy);
  if (decision.kind !== "rotate") throw new Error(`a rotation was expected, not ${decision.kind}`);
  return decision.family;
}

/** Frozen to the bottom: a decision that wrote into its arguments would throw. */
function frozen<T extends object>(value: T): T {
  for (const member of Object.values(value))
    if (typeof member === "object" && member !== null) frozen(member);
  return Object.freeze(value);
}

describe("COMPAT_SIMPLEJWT, contract §9: a client that stores no successor", () => {
  const compat = { ...POLICY, compatSimplejwt: true };
  const first = { ...FAMILY, generation: 0, tokenId: token(0), previous: null, history: [] };
  const once = rotated(first, present(0), NOW_MS);

  test("presents its first token for as long as that is good, and always gets the same successor", () => {
    for (const laterMs of [1, 600_001, 80_000_000]) {
      expect(decideRefresh(once, ACCOUNT, present(0), NOW_MS + laterMs, compat)).toEqual({
        kind: "repeat",
        family: once,
        elsewhere: false,
      });
    }
    expect(decideRefresh(once, ACCOUNT, present(0), NOW_MS + 600_001, POLICY)).toMatchObject({ kind: "end" });
  });

  test("once its successor was presented, the first token is reuse at once", () => {
    const twice = rotated(
      once,
      { ...present(1), presented: { tokenId: once.tokenId, generation: 1 } },
      NOW_MS,
    );
    expect(decideRefresh(twice, ACCOUNT, present(0), NOW_MS + 1, compat)).toMatchObject({
      kind: "end",
      reason: "reuse",
    });
    const parent = { ...present(1), presented: { tokenId: once.tokenId, generation: 1 } };
    expect(decideRefresh(twice, ACCOUNT, parent, NOW_MS + 600_001, compat), "no first token").toMatchObject({
      kind: "end",
      reason: "reuse",
    });
  });

  test("REF-11: not for a user who is inactive, nor in a session that is over", () => {
    const inactive = { ...ACCOUNT, user: { ...ACCOUNT.user, isActive: false } };
    expect(decideRefresh(once, inactive, present(0), NOW_MS + 1, compat)).toMatchObject({
      reason: "user_inactive",
    });
    const moved = { ...ACCOUNT, epoch: ACCOUNT.epoch + 1 };
    expect(decideRefresh(once, moved, present(0), NOW_MS + 1, compat)).toMatchObject({ kind: "deny" });
  });
});
