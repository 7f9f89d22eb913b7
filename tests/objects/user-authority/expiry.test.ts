import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideExpiry } from "../../../objects/user-authority/expiry.ts";
import type { Family } from "../../../objects/user-authority/family.ts";
import type { SessionId } from "../../../schema/ids.ts";

const NOW = 1_800_000_000;
const ACCESS_TTL = 600;
/** How long KV must go on denying: the access token's life, and a minute for clocks that lag. */
const DENIAL_TTL = 660;
const LONG_AGO = 0;

type Kept = Pick<Family, "sid" | "expiresAt" | "ended">;

const sid = (n: number) => `session-${String(n).padStart(14, "0")}` as SessionId;

function open(n: number, expiresAt: number): Kept {
  return { sid: sid(n), expiresAt, ended: null };
}

function ended(n: number, expiresAt: number, at: number): Kept {
  return { sid: sid(n), expiresAt, ended: { at, reason: "logout", verdict: null } };
}

const decide = (families: readonly Kept[], epochMovedAt: number, now: number) =>
  decideExpiry(families, epochMovedAt, now, ACCESS_TTL);

describe("what is forgotten", () => {
  test("DUR-05, REV-02: a session is kept until no token of it can be alive: an access token made in its last second is the last", () => {
    const over = NOW - DENIAL_TTL;
    expect(decide([open(1, over + 1)], LONG_AGO, NOW)).toEqual({ forget: [], nextAt: NOW + 1 });
    expect(decide([open(1, over)], LONG_AGO, NOW)).toEqual({ forget: [sid(1)], nextAt: null });
    expect(decide([open(1, over - 1)], LONG_AGO, NOW)).toEqual({ forget: [sid(1)], nextAt: null });
  });

  test("REF-05: a session that ended is kept for as long, so that a replay is told from a forgery", () => {
    const family = ended(1, NOW + 86_400, NOW - 3600);
    expect(decide([family], LONG_AGO, NOW)).toEqual({ forget: [], nextAt: NOW + 86_400 });
  });

  test("REV-10: one that ended just before it expired is kept while KV must deny its access tokens", () => {
    const family = ended(1, NOW + 1, NOW);
    expect(decide([family], LONG_AGO, NOW + 1)).toEqual({ forget: [], nextAt: NOW + DENIAL_TTL });
    expect(decide([family], LONG_AGO, NOW + DENIAL_TTL - 1)).toMatchObject({ forget: [] });
    expect(decide([family], LONG_AGO, NOW + DENIAL_TTL)).toEqual({ forget: [sid(1)], nextAt: null });
  });

  test("each session by itself: what is due goes, the nearest of the rest says when to look again", () => {
    const over = NOW - DENIAL_TTL;
    const families = [open(1, over + 50), open(2, over), ended(3, NOW - 10, NOW - 5), open(4, over + 20)];
    expect(decide(families, LONG_AGO, NOW)).toEqual({ forget: [sid(2)], nextAt: NOW + 20 });
  });
});

describe("when to look again", () => {
  test("DUR-05: with nothing left, the object is not needed", () => {
    expect(decide([], LONG_AGO, NOW)).toEqual({ forget: [], nextAt: null });
  });

  test("REV-10: an epoch that moved keeps the object while KV must deny the tokens made before", () => {
    expect(decide([], NOW, NOW)).toEqual({ forget: [], nextAt: NOW + DENIAL_TTL });
    expect(decide([], NOW, NOW + DENIAL_TTL - 1)).toEqual({ forget: [], nextAt: NOW + DENIAL_TTL });
    expect(decide([], NOW, NOW + DENIAL_TTL)).toEqual({ forget: [], nextAt: null });
  });

  test("a moved epoch keeps no session beyond its own time", () => {
    const over = open(1, NOW - DENIAL_TTL);
    expect(decide([over], NOW, NOW)).toEqual({ forget: [sid(1)], nextAt: NOW + DENIAL_TTL });
  });
});

test("DUR-04, DUR-05: over any sessions, each is forgotten once and in time, never too early, and the object then ends", () => {
  const kept = fc
    .record({
      expiresIn: fc.integer({ min: -100, max: 2000 }),
      endedIn: fc.option(fc.integer({ min: -2000, max: 0 })),
    })
    .map(({ expiresIn, endedIn }) => ({
      expiresAt: NOW + expiresIn,
      endedAt: endedIn === null ? null : NOW + endedIn,
    }));
  fc.assert(
    fc.property(fc.array(kept, { maxLength: 12 }), fc.integer({ min: -2000, max: 0 }), (facts, movedIn) => {
      let left = facts.map(({ expiresAt, endedAt }, n) =>
        endedAt === null ? open(n, expiresAt) : ended(n, expiresAt, endedAt),
      );
      const forgotten: SessionId[] = [];
      let now = NOW;
      for (let wakes = 0; wakes <= facts.length + 1; wakes += 1) {
        const { forget, nextAt } = decide(left, NOW + movedIn, now);
        for (const family of left.filter((one) => forget.includes(one.sid))) {
          expect(family.expiresAt).toBeLessThanOrEqual(now);
          if (family.ended === null) expect(family.expiresAt + DENIAL_TTL).toBeLessThanOrEqual(now);
          else expect(family.ended.at + DENIAL_TTL).toBeLessThanOrEqual(now);
        }
        forgotten.push(...forget);
        left = left.filter((one) => !forget.includes(one.sid));
        if (nextAt === null) break;
        expect(nextAt).toBeGreaterThan(now);
        now = nextAt;
      }
      expect(left).toEqual([]);
      expect(forgotten.toSorted()).toEqual(facts.map((_, n) => sid(n)).toSorted());
      expect(now).toBeLessThanOrEqual(NOW + 2000 + DENIAL_TTL);
    }),
  );
});
