import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Account,
  type Family,
  inEra,
  isConfirmed,
  isLive,
} from "../../../objects/user-authority/family.ts";
import { mayDjangoBeBelieved, moveEpoch } from "../../../objects/user-authority/revoke.ts";
import { timelineOf } from "../../../objects/user-authority/timeline.ts";
import type { SessionId, TokenId, UserId } from "../../../schema/ids.ts";
import { END_REASONS } from "../../../schema/user-authority.ts";

const NOW = 1_800_000_000;
const ACCOUNT: Account = {
  user: { id: 7 as UserId, username: "ada", email: null, role: "user", isActive: true, version: 1 },
  epoch: 5,
  revokedBefore: 0,
  erasedAt: null,
  epochHistory: [],
};
const FAMILY: Family = {
  sid: "session-00000000000001" as SessionId,
  epoch: 5,
  generation: 0,
  tokenId: "token-0000000000000001" as TokenId,
  issuedAt: NOW,
  expiresAt: NOW + 86_400,
  previous: null,
  clientKey: "home",
  createdAt: NOW,
  absoluteExpiresAt: NOW + 2_592_000,
  authTime: NOW,
  amr: ["pwd"],
  client: { ip: null, country: null, userAgent: null },
  deviceName: null,
  history: [],
  ended: null,
};
const BEARER = { sid: FAMILY.sid, ep: 5, revokedBefore: 0 };

describe("ending every session", () => {
  test("REV-02: the epoch moves by one, and the move is kept with its time and reason", () => {
    expect(moveEpoch(ACCOUNT, "logout", NOW)).toEqual({
      ...ACCOUNT,
      epoch: 6,
      epochHistory: [{ epoch: 6, at: NOW, reason: "logout" }],
    });
    expect(ACCOUNT).toMatchObject({ epoch: 5, epochHistory: [] });
  });

  test("REV-02: nothing issued before survives, everything issued after works", () => {
    const moved = moveEpoch(ACCOUNT, "logout", NOW);
    expect(isLive(FAMILY, ACCOUNT, NOW)).toBe(true);
    expect(isLive(FAMILY, moved, NOW)).toBe(false);
    expect(isConfirmed(BEARER, moved, FAMILY, NOW)).toBe(false);
    const after = { ...FAMILY, epoch: moved.epoch };
    expect(isLive(after, moved, NOW)).toBe(true);
    expect(isConfirmed({ ...BEARER, ep: moved.epoch }, moved, after, NOW)).toBe(true);
  });

  test("DUR-05: the latest twenty moves are kept, oldest first", () => {
    let account = ACCOUNT;
    for (let i = 1; i <= 25; i += 1) account = moveEpoch(account, "ended_by_admin", NOW + i);
    expect(account.epochHistory).toHaveLength(20);
    expect(account.epochHistory[0]).toEqual({ epoch: 11, at: NOW + 6, reason: "ended_by_admin" });
    expect(account.epochHistory[19]).toEqual({ epoch: 30, at: NOW + 25, reason: "ended_by_admin" });
  });

  test("REV-07: over any moves and eras nothing that ended ever lives again", () => {
    const move = fc.oneof(
      fc.record({ kind: fc.constant("epoch" as const), reason: fc.constantFrom(...END_REASONS) }),
      fc.record({ kind: fc.constant("era" as const), before: fc.integer({ min: 0, max: NOW + 1000 }) }),
    );
    const families = fc.array(
      fc.record({
        epoch: fc.integer({ min: 0, max: 20 }),
        authTime: fc.integer({ min: 0, max: NOW + 1000 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 30 }), families, (moves, begun) => {
        let account = ACCOUNT;
        const all = begun.map((facts) => ({ ...FAMILY, ...facts }));
        for (const one of moves) {
          const before = account;
          account = one.kind === "epoch" ? moveEpoch(before, one.reason, NOW) : inEra(before, one.before);
          expect(account.epoch).toBeGreaterThanOrEqual(before.epoch);
          expect(account.revokedBefore).toBeGreaterThanOrEqual(before.revokedBefore);
          for (const family of all) {
            if (!isLive(family, before, NOW)) expect(isLive(family, account, NOW)).toBe(false);
          }
        }
      }),
    );
  });
});

describe("the timeline", () => {
  const begun = { ...FAMILY, epoch: 5 };
  const endOf = (account: Account) => timelineOf(begun, account, NOW + 100).events.at(-1);

  test("a session ended by the move that is kept says why; one whose move may be forgotten says only that it ended", () => {
    let account = moveEpoch(ACCOUNT, "ended_by_admin", NOW + 1);
    expect(endOf(account)).toMatchObject({ at: NOW + 1, reason: "ended_by_admin" });
    for (let i = 2; i <= 19; i += 1) account = moveEpoch(account, "logout", NOW + i);
    expect(endOf(account)).toMatchObject({ reason: "ended_by_admin" });
    for (let i = 20; i <= 25; i += 1) account = moveEpoch(account, "logout", NOW + i);
    expect(endOf(account)).toMatchObject({ type: "ended", at: NOW + 6, reason: "revoked" });
    const later = { ...begun, epoch: 29 };
    expect(timelineOf(later, account, NOW + 100).events.at(-1)).toMatchObject({
      at: NOW + 25,
      reason: "logout",
    });
  });

  test("says how many refreshes came before those that are kept", () => {
    const history = (n: number) =>
      Array.from({ length: n }, (_, i) => ({ at: NOW + i, clientChanged: false }));
    const told = (refreshes: number, kept: number) =>
      timelineOf({ ...begun, generation: refreshes, history: history(kept) }, ACCOUNT, NOW).earlierRefreshes;
    expect([told(0, 0), told(49, 49), told(50, 50), told(51, 50), told(90, 50)]).toEqual([0, 0, 0, 1, 40]);
  });
});

describe("what else there is to end", () => {
  const legacy = { secretKey: "", endsAt: NOW + 10, isKeyPublic: false, sessions: "exchange" as const };

  test("REV-02: what Django gave since the last move, while anything of Django's is accepted", () => {
    const moved = moveEpoch(ACCOUNT, "logout", NOW);
    expect(mayDjangoBeBelieved(ACCOUNT, legacy, NOW)).toBe(true);
    expect(mayDjangoBeBelieved(moved, legacy, NOW), "that second is over").toBe(false);
    expect(mayDjangoBeBelieved(moved, legacy, NOW + 1)).toBe(true);
    expect(mayDjangoBeBelieved(moved, legacy, NOW + 10)).toBe(false);
    expect(mayDjangoBeBelieved(ACCOUNT, null, NOW)).toBe(false);
  });
});

describe("the global epoch", () => {
  test("REV-02: it ends what began before it, and nothing that began at it", () => {
    expect(isLive(FAMILY, inEra(ACCOUNT, NOW), NOW)).toBe(true);
    expect(isLive(FAMILY, inEra(ACCOUNT, NOW + 1), NOW)).toBe(false);
  });

  test("REV-07: an edge that knows less changes nothing", () => {
    const account = inEra(ACCOUNT, NOW);
    expect(inEra(account, NOW - 1)).toEqual(account);
    expect(inEra(account, 0)).toEqual(account);
  });
});

describe("whether a bearer's session is live at this moment", () => {
  test("REV-01: an access token of the current epoch and of a live session is confirmed", () => {
    expect(isConfirmed(BEARER, ACCOUNT, FAMILY, NOW)).toBe(true);
  });

  test.for<[string, () => boolean]>([
    ["a user whom nobody knows", () => isConfirmed(BEARER, null, FAMILY, NOW)],
    ["a session that nobody knows", () => isConfirmed(BEARER, ACCOUNT, null, NOW)],
    [
      "another session than the token's",
      () => isConfirmed({ ...BEARER, sid: "session-00000000000002" as SessionId }, ACCOUNT, FAMILY, NOW),
    ],
    [
      "an inactive user",
      () => isConfirmed(BEARER, { ...ACCOUNT, user: { ...ACCOUNT.user, isActive: false } }, FAMILY, NOW),
    ],
    [
      "a session that ended",
      () =>
        isConfirmed(BEARER, ACCOUNT, { ...FAMILY, ended: { at: NOW, reason: "logout", verdict: null } }, NOW),
    ],
    ["a session that idled out at this second", () => isConfirmed(BEARER, ACCOUNT, FAMILY, NOW + 86_400)],
    [
      "a token older than the epoch in a session that is not",
      () => isConfirmed({ ...BEARER, ep: 4 }, ACCOUNT, FAMILY, NOW),
    ],
    [
      "a session that began before the global epoch",
      () => isConfirmed(BEARER, inEra(ACCOUNT, NOW + 1), FAMILY, NOW),
    ],
  ])("REV-01: %s is not", ([, ask]) => {
    expect(ask()).toBe(false);
  });

  test("a refresh token, which carries no epoch, speaks for its session all the same", () => {
    expect(isConfirmed({ ...BEARER, ep: null }, ACCOUNT, FAMILY, NOW)).toBe(true);
    expect(isConfirmed({ ...BEARER, ep: null }, moveEpoch(ACCOUNT, "logout", NOW), FAMILY, NOW)).toBe(false);
  });

  test("REF-09: it is live in the second before its expiry", () => {
    expect(isConfirmed(BEARER, ACCOUNT, FAMILY, NOW + 86_399)).toBe(true);
  });
});
