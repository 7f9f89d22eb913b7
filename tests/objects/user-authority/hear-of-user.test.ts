import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Account, type Family, isConfirmed, isLive } from "../../../objects/user-authority/family.ts";
import { decideHearing } from "../../../objects/user-authority/hear-of-user.ts";
import { decideRefresh } from "../../../objects/user-authority/refresh.ts";
import type { SessionId, TokenId, UserId } from "../../../schema/ids.ts";
import type { HearOfUser, UserState } from "../../../schema/user-authority.ts";

const NOW = 1_800_000_000;
const CLIENT = { ip: "192.0.2.1", country: "NL", userAgent: "Home/1" };
const POLICY = {
  refreshTokenTtlSeconds: 86_400,
  sessionMaxAgeSeconds: 2_592_000,
  refreshGraceSeconds: 10,
  refreshGraceSameClientSeconds: 600,
  sessionsPerUserMax: 100,
  accessTokenTtlSeconds: 600,
  compatSimplejwt: false,
};
const ADA: UserState = {
  id: 7 as UserId,
  username: "ada",
  email: null,
  role: "admin",
  isActive: true,
  version: 3,
};
const ACCOUNT: Account = { user: ADA, epoch: 5, revokedBefore: 0, erasedAt: null, epochHistory: [] };

const sid = (n: number) => `session-${String(n).padStart(14, "0")}` as SessionId;
const token = (n: number) => `token-${String(n).padStart(16, "0")}` as TokenId;
const family = (n: number): Family => ({
  sid: sid(n),
  epoch: 5,
  generation: 2,
  tokenId: token(n),
  issuedAt: NOW - 60,
  expiresAt: NOW + 86_400,
  previous: null,
  clientKey: "home",
  createdAt: NOW - 600,
  absoluteExpiresAt: NOW + 2_592_000,
  authTime: NOW - 600,
  amr: ["pwd"],
  client: CLIENT,
  deviceName: null,
  history: [],
  ended: null,
});
const LIVE = [family(1), family(2), family(3)];
const bearer = (n: number, ep: number) => ({ sid: sid(n), ep, revokedBefore: 0 });

function news(sessions: HearOfUser["sessions"], user: Partial<UserState> = {}, by = 0): HearOfUser {
  return {
    user: { ...ADA, version: 4, ...user },
    sessions,
    by: by === 0 ? null : bearer(by, 5),
    reason: "role_changed",
    note: "user:1",
    client: CLIENT,
    requestId: "request-1",
    revokedBefore: 0,
  };
}

describe("the state", () => {
  test("a newer version is kept, whatever becomes of the sessions", () => {
    for (const sessions of ["keep", "distrust", "end_others", "end"] as const) {
      const heard = decideHearing(ACCOUNT, LIVE, news(sessions, { role: "user" }, 1), NOW);
      expect(heard.isNews).toBe(true);
      expect(heard.account.user).toMatchObject({ role: "user", version: 4 });
    }
  });

  test("an older or equal version overwrites nothing", () => {
    for (const version of [1, 2, 3]) {
      const heard = decideHearing(ACCOUNT, LIVE, news("keep", { role: "user", version }), NOW);
      expect(heard).toMatchObject({ isNews: false, revoked: 0, account: ACCOUNT });
    }
  });

  test("an older inactive state ends no session of a newer active one by itself", () => {
    const heard = decideHearing(ACCOUNT, LIVE, news("keep", { isActive: false, version: 2 }), NOW);
    expect(heard).toMatchObject({ account: ACCOUNT, revoked: 0 });
  });
});

describe("the sessions", () => {
  test("keep: sessions and access tokens live on", () => {
    const { account, carried, ending } = decideHearing(ACCOUNT, LIVE, news("keep"), NOW);
    expect({ carried, ending }).toEqual({ carried: [], ending: [] });
    expect(isConfirmed(bearer(1, 5), account, LIVE[0] ?? null, NOW)).toBe(true);
  });

  test("distrust: every access token made so far is dead, and the families refresh with the new role", () => {
    const heard = decideHearing(ACCOUNT, LIVE, news("distrust", { role: "user" }), NOW);
    const { account, carried, revoked } = heard;
    expect({ epoch: account.epoch, revoked, ending: heard.ending }).toEqual({
      epoch: 6,
      revoked: 0,
      ending: [],
    });
    expect(carried.map((one) => one.sid)).toEqual(LIVE.map((one) => one.sid));
    for (const [index, one] of carried.entries()) {
      expect(isLive(one, account, NOW)).toBe(true);
      expect(isConfirmed(bearer(index + 1, 5), account, one, NOW), "an older access token").toBe(false);
      expect(isConfirmed(bearer(index + 1, 6), account, one, NOW), "a newer access token").toBe(true);
      const presented = { tokenId: one.tokenId, generation: one.generation };
      const input = { presented, successor: token(9), clientKey: "home", client: CLIENT, inFlight: 1 };
      expect(decideRefresh(one, account, input, NOW * 1000, POLICY)).toMatchObject({ kind: "rotate" });
    }
    expect(account.user.role).toBe("user");
    expect(account.epochHistory, "no session has ended").toEqual([]);
  });

  test("PWD-05, REV-04: end_others leaves the asker's session and its access tokens alone", () => {
    const heard = decideHearing(ACCOUNT, LIVE, news("end_others", {}, 2), NOW);
    expect(heard.ending.map((one) => one.sid)).toEqual([sid(1), sid(3)]);
    expect(heard).toMatchObject({ revoked: 2, account: { epoch: 5 } });
    expect(isConfirmed(bearer(2, 5), heard.account, LIVE[1] ?? null, NOW)).toBe(true);
  });

  test("end_others of an asker whose session has ended meanwhile ends all", () => {
    for (const by of [0, 9]) {
      const heard = decideHearing(ACCOUNT, LIVE, news("end_others", {}, by), NOW);
      expect(heard).toMatchObject({ revoked: 3, account: { epoch: 6 }, ending: [], carried: [] });
    }
  });

  test("REV-05: end moves the epoch, and the move says why", () => {
    const heard = decideHearing(ACCOUNT, LIVE, news("end"), NOW);
    expect(heard.revoked).toBe(3);
    expect(heard.account.epochHistory).toEqual([{ epoch: 6, at: NOW, reason: "role_changed" }]);
    for (const one of LIVE) expect(isLive(one, heard.account, NOW)).toBe(false);
  });

  test("REV-05: who has become inactive has no session, whatever was asked", () => {
    for (const sessions of ["keep", "distrust", "end_others", "end"] as const) {
      const heard = decideHearing(ACCOUNT, LIVE, news(sessions, { isActive: false }, 1), NOW);
      expect(heard).toMatchObject({ revoked: 3, account: { epoch: 6, user: { isActive: false } } });
    }
  });

  test("DUR-03: told twice, nothing moves twice; a session that began in between ends", () => {
    const once = decideHearing(ACCOUNT, LIVE, news("end"), NOW);
    expect(decideHearing(once.account, [], news("end"), NOW + 1)).toMatchObject({
      isNews: false,
      revoked: 0,
      account: once.account,
    });
    const later = { ...family(4), epoch: 6 };
    expect(decideHearing(once.account, [later], news("end"), NOW + 1)).toMatchObject({ revoked: 1 });
    const quiet = decideHearing(once.account, [], news("distrust"), NOW + 1);
    expect(quiet.account.epoch).toBe(6);
  });

  test("a login told the state first: what had to end still ends", () => {
    const knows = { ...ACCOUNT, user: { ...ADA, version: 4 } };
    expect(decideHearing(knows, LIVE, news("end"), NOW)).toMatchObject({ isNews: false, revoked: 3 });
  });
});

describe("a user who was never heard of", () => {
  test("is remembered, above every epoch that was ever given out", () => {
    const heard = decideHearing(null, [], { ...news("end", { isActive: false }), revokedBefore: 9 }, NOW);
    expect(heard).toMatchObject({ isNews: true, revoked: 0 });
    expect(heard.account).toEqual({
      user: { ...ADA, version: 4, isActive: false },
      epoch: NOW,
      revokedBefore: 9,
      erasedAt: null,
      epochHistory: [{ epoch: NOW, at: NOW, reason: "role_changed" }],
    });
  });

  test("REV-02: that all of theirs has ended is remembered, for what Django gave them; else there is no such end", () => {
    const history = (sessions: HearOfUser["sessions"]) =>
      decideHearing(null, [], news(sessions), NOW).account.epochHistory;
    expect(history("end")).toHaveLength(1);
    expect(history("end_others"), "with no session of the asker's, all others are all").toHaveLength(1);
    expect([history("keep"), history("distrust")]).toEqual([[], []]);
  });
});

test("REV-07: over any news versions and epochs never fall, and nothing that ended lives again", () => {
  const kinds = fc.constantFrom("keep", "distrust", "end_others", "end");
  const step = fc.record({
    sessions: kinds as fc.Arbitrary<HearOfUser["sessions"]>,
    version: fc.integer({ min: 1, max: 9 }),
    isActive: fc.boolean(),
    by: fc.integer({ min: 0, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let account = ACCOUNT;
      let families = [...LIVE];
      const over = new Set<string>();
      for (const { sessions, version, isActive, by } of steps) {
        const live = families.filter((one) => isLive(one, account, NOW));
        for (const one of families) if (!live.includes(one)) over.add(one.sid);
        const heard = decideHearing(account, live, news(sessions, { version, isActive }, by), NOW);
        expect(heard.account.epoch).toBeGreaterThanOrEqual(account.epoch);
        expect(heard.account.user.version).toBe(Math.max(account.user.version, version));
        account = heard.account;
        const ended = { at: NOW, reason: "role_changed" as const, verdict: null };
        families = families.map((one) => {
          if (heard.ending.includes(one)) return { ...one, ended };
          return heard.carried.find((carried) => carried.sid === one.sid) ?? one;
        });
        for (const one of families) expect(over.has(one.sid) && isLive(one, account, NOW)).toBe(false);
        if (!account.user.isActive) expect(families.filter((one) => isLive(one, account, NOW))).toEqual([]);
      }
    }),
  );
});
