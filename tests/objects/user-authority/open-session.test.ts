import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Account,
  type Family,
  inEra,
  isLive,
  type SessionPolicy,
} from "../../../objects/user-authority/family.ts";
import { decideOpen } from "../../../objects/user-authority/open-session.ts";
import type { SessionId, TokenId, UserId } from "../../../schema/ids.ts";
import type { EndReason, OpenSession, UserState } from "../../../schema/user-authority.ts";

const NOW = 1_800_000_000;
const POLICY: SessionPolicy = {
  refreshTokenTtlSeconds: 86_400,
  sessionMaxAgeSeconds: 2_592_000,
  refreshGraceSeconds: 10,
  refreshGraceSameClientSeconds: 600,
  sessionsPerUserMax: 3,
  accessTokenTtlSeconds: 600,
  compatSimplejwt: false,
};
const CLIENT = { ip: "192.0.2.1", country: "NL", userAgent: "Home/1" };

const sid = (n: number) => `session-${String(n).padStart(14, "0")}` as SessionId;
const token = (n: number) => `token-${String(n).padStart(16, "0")}` as TokenId;

const ADA: UserState = {
  id: 7 as UserId,
  username: "ada",
  email: "ada@example.com",
  role: "user",
  isActive: true,
  version: 3,
};
const ACCOUNT: Account = {
  user: ADA,
  epoch: 5,
  revokedBefore: 100,
  erasedAt: null,
  epochHistory: [{ epoch: 5, at: 50, reason: "logout" }],
};

function login(user: UserState = ADA, revokedBefore = 0): OpenSession {
  return {
    user,
    sid: sid(1),
    tokenId: token(1),
    clientKey: "home",
    client: CLIENT,
    deviceName: "kitchen",
    amr: ["pwd"],
    requestId: "request-1",
    revokedBefore,
    attempt: null,
    code: null,
  };
}

/** Live sessions as the state gives them: most recently used first. */
function liveSessions(count: number): Family[] {
  return Array.from({ length: count }, (_, i) => {
    const decision = decideOpen(ACCOUNT, [], { ...login(), sid: sid(100 + i) }, NOW - 1 - i, POLICY);
    if (decision.kind === "denied") throw new Error(decision.reason);
    return decision.family;
  });
}

function opened(...args: Parameters<typeof decideOpen>) {
  const decision = decideOpen(...args);
  if (decision.kind === "denied") throw new Error(`a session was expected, not ${decision.reason}`);
  return decision;
}

describe("the new session", () => {
  test("contract §5: a login begins a family of generation 0 with nothing before it", () => {
    expect(decideOpen(ACCOUNT, [], login(), NOW, POLICY)).toEqual({
      kind: "open",
      account: ACCOUNT,
      family: {
        sid: sid(1),
        epoch: 5,
        generation: 0,
        tokenId: token(1),
        issuedAt: NOW,
        expiresAt: NOW + 86_400,
        previous: null,
        clientKey: "home",
        createdAt: NOW,
        absoluteExpiresAt: NOW + 2_592_000,
        authTime: NOW,
        amr: ["pwd"],
        client: CLIENT,
        deviceName: "kitchen",
        history: [],
        ended: null,
      },
      evicted: [],
    });
  });

  test("REF-08: a session shorter than the idle time has one end, and both expire at it", () => {
    const policy = { ...POLICY, sessionMaxAgeSeconds: 3600 };
    expect(opened(ACCOUNT, [], login(), NOW, policy).family).toMatchObject({
      expiresAt: NOW + 3600,
      absoluteExpiresAt: NOW + 3600,
    });
  });

  test("REV-08: the ids are those that the edge made for this login, never one that is there already", () => {
    const { family } = opened(ACCOUNT, liveSessions(2), login(), NOW, POLICY);
    expect(family).toMatchObject({ sid: sid(1), tokenId: token(1) });
  });
});

describe("the account", () => {
  test("an object that was empty begins at the time as its epoch: above every one it gave out before", () => {
    const { account, family } = opened(null, [], login(), NOW, POLICY);
    expect(account).toEqual({ user: ADA, epoch: NOW, revokedBefore: 0, erasedAt: null, epochHistory: [] });
    expect(family.epoch).toBe(NOW);
  });

  test("REV-07: a login moves no epoch and forgets no move", () => {
    const { account } = opened(ACCOUNT, [], login(), NOW, POLICY);
    expect(account).toMatchObject({ epoch: 5, epochHistory: ACCOUNT.epochHistory });
  });

  test("REF-11: it takes the user's state as the login read it: name, e-mail, role, version", () => {
    const promoted: UserState = { ...ADA, username: "ada.l", email: null, role: "admin", version: 4 };
    expect(opened(ACCOUNT, [], login(promoted), NOW, POLICY).account.user).toEqual(promoted);
  });

  test("a state of the same version is no older, and opens", () => {
    expect(decideOpen(ACCOUNT, [], login({ ...ADA, version: 3 }), NOW, POLICY).kind).toBe("open");
  });

  test("a state older than the account's is stale: the user changed while the password was hashed", () => {
    const denied = decideOpen(ACCOUNT, liveSessions(3), login({ ...ADA, version: 2 }), NOW, POLICY);
    expect(denied).toEqual({ kind: "denied", reason: "stale" });
  });

  test("REV-05: a login that read the user before a deactivation is stale, not in", () => {
    const deactivated = { ...ACCOUNT, user: { ...ADA, isActive: false, version: 4 } };
    expect(decideOpen(deactivated, [], login(), NOW, POLICY)).toEqual({ kind: "denied", reason: "stale" });
  });

  test("REV-05: an inactive user opens nothing, known or not", () => {
    const inactive = login({ ...ADA, isActive: false, version: 4 });
    expect(decideOpen(ACCOUNT, [], inactive, NOW, POLICY)).toEqual({ kind: "denied", reason: "inactive" });
    expect(decideOpen(null, [], inactive, NOW, POLICY)).toEqual({ kind: "denied", reason: "inactive" });
  });

  test("an inactive state that is also older is stale: it says nothing about today", () => {
    const older = login({ ...ADA, isActive: false, version: 2 });
    expect(decideOpen(ACCOUNT, [], older, NOW, POLICY)).toEqual({ kind: "denied", reason: "stale" });
  });

  test("a user who was activated again opens with the newer version", () => {
    const deactivated = { ...ACCOUNT, user: { ...ADA, isActive: false, version: 4 } };
    expect(decideOpen(deactivated, [], login({ ...ADA, version: 5 }), NOW, POLICY).kind).toBe("open");
  });
});

describe("the global epoch", () => {
  test("REV-07: it never falls, whoever of account and edge knows the later one", () => {
    expect(opened(ACCOUNT, [], login(ADA, 99), NOW, POLICY).account.revokedBefore).toBe(100);
    expect(opened(ACCOUNT, [], login(ADA, 101), NOW, POLICY).account.revokedBefore).toBe(101);
    expect(opened(null, [], login(ADA, 101), NOW, POLICY).account.revokedBefore).toBe(101);
  });

  test("REV-02: a login in the second that it ended is dated by that second's end, and lives", () => {
    const { family, account } = opened(ACCOUNT, [], login(ADA, NOW + 1), NOW, POLICY);
    expect(family).toMatchObject({
      createdAt: NOW + 1,
      issuedAt: NOW + 1,
      authTime: NOW + 1,
      expiresAt: NOW + 1 + 86_400,
      absoluteExpiresAt: NOW + 1 + 2_592_000,
    });
    expect(family.createdAt).toBeGreaterThanOrEqual(account.revokedBefore);
  });

  test("REV-02: it ends what was proven before it, though it begins after it", () => {
    const attempt = { ticket: token(9), track: "strangers" as const, at: NOW - 3, epoch: 5 };
    const open = (revokedBefore: number) =>
      decideOpen(ACCOUNT, [], { ...login(ADA, revokedBefore), attempt }, NOW, POLICY);
    expect(open(NOW - 2)).toEqual({ kind: "denied", reason: "stale" });
    expect(open(NOW - 3)).toMatchObject({ kind: "open", family: { createdAt: NOW, authTime: NOW - 3 } });
    const decision = open(0); // by an edge that has not heard of it yet
    if (decision.kind !== "open") throw new Error(decision.reason);
    expect(isLive(decision.family, inEra(decision.account, NOW - 2), NOW)).toBe(false);
  });

  test("one that is past changes no date", () => {
    expect(opened(ACCOUNT, [], login(ADA, NOW), NOW, POLICY).family.createdAt).toBe(NOW);
  });
});

describe("sessions that are revoked while the password is being hashed", () => {
  const reservedAt = (epoch: number) => ({
    ...login(),
    attempt: { ticket: token(9), track: "strangers" as const, at: NOW, epoch },
  });
  const moved = (reason: EndReason) => ({ ...ACCOUNT, epochHistory: [{ epoch: 5, at: NOW, reason }] });

  test.for(["logout", "ended_by_owner", "ended_by_admin"] as const)(
    "REV-02: by %s: the login is stale, also within one second",
    (reason) => {
      expect(decideOpen(moved(reason), [], reservedAt(4), NOW, POLICY)).toMatchObject({ reason: "stale" });
      expect(decideOpen(moved(reason), [], reservedAt(0), NOW, POLICY)).toMatchObject({ reason: "stale" });
      expect(decideOpen(moved(reason), [], reservedAt(5), NOW, POLICY).kind).toBe("open");
    },
  );

  test("a change of the user is told apart by its version: who read the newest one is in", () => {
    for (const reason of ["password_reset", "user_inactive", "role_changed"] as const)
      expect(decideOpen(moved(reason), [], reservedAt(4), NOW, POLICY).kind).toBe("open");
  });
});

describe("the cap", () => {
  test.for([
    ["one below it: nobody is evicted", 2, []],
    ["at it: the least recently used one", 3, [102]],
    ["above it, as after a lower setting: all that are too many", 6, [102, 103, 104, 105]],
  ] as const)("REV-09: %s", ([, count, evicted]) => {
    const decision = opened(ACCOUNT, liveSessions(count), login(), NOW, POLICY);
    expect(decision.evicted.map((family) => family.sid)).toEqual(evicted.map(sid));
  });

  test("REV-09: with a cap of one each login ends the session before", () => {
    const policy = { ...POLICY, sessionsPerUserMax: 1 };
    const decision = opened(ACCOUNT, liveSessions(1), login(), NOW, policy);
    expect(decision.evicted.map((family) => family.sid)).toEqual([sid(100)]);
  });

  test("REV-09: a login that is denied evicts nobody", () => {
    const denied = decideOpen(ACCOUNT, liveSessions(3), login({ ...ADA, version: 2 }), NOW, POLICY);
    expect(denied).not.toHaveProperty("evicted");
  });

  test("REV-09: with any cap and any number of sessions, at most the cap is live afterwards, and the most recently used stay", () => {
    fc.assert(
      fc.property(fc.nat({ max: 60 }), fc.integer({ min: 1, max: 50 }), (count, sessionsPerUserMax) => {
        const live = liveSessions(count);
        const { evicted } = opened(ACCOUNT, live, login(), NOW, { ...POLICY, sessionsPerUserMax });
        expect(live.length - evicted.length + 1).toBe(Math.min(count + 1, sessionsPerUserMax));
        expect(evicted).toEqual(live.slice(live.length - evicted.length));
      }),
    );
  });
});
