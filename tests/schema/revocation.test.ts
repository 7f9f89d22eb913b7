import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SessionId, UserId } from "../../schema/ids.ts";
import {
  type Denial,
  denialSchema,
  denialTtlSeconds,
  GLOBAL_REVOCATION_KEY,
  isDenied,
  isOfEarlierEra,
  KV_TTL_SECONDS_MIN,
  mergeDenials,
  revocationKey,
} from "../../schema/revocation.ts";

const sid = (n: number) => `session-${String(n).padStart(14, "0")}` as SessionId;
/** Before any of the times below. */
const EARLY = 0;
const DENIAL: Denial = { epoch: 5, sids: { [sid(1)]: 1000, [sid(2)]: 2000 } };

// Few sessions and epochs, so that denials and tokens meet.
const aSid = fc.integer({ min: 1, max: 4 }).map(sid);
const anEpoch = fc.nat({ max: 6 });
const aDenial: fc.Arbitrary<Denial | null> = fc.option(
  fc.record({ epoch: anEpoch, sids: fc.dictionary(aSid, fc.integer({ min: 1, max: 5000 }), { maxKeys: 4 }) }),
);
const aToken = fc.record({ ep: anEpoch, sid: aSid });

describe("what a denial denies", () => {
  test("REV-10: nothing, if there is none: a miss grants and denies nothing by itself", () => {
    expect(isDenied(null, { ep: 0, sid: sid(1) })).toBe(false);
  });

  test("REV-02: every token of a lower epoch, and none of this one or a higher", () => {
    expect([4, 5, 6].map((ep) => isDenied(DENIAL, { ep, sid: sid(9) }))).toEqual([true, false, false]);
  });

  test("REV-01: every token of a session that it names, of any epoch", () => {
    expect([4, 5, 6].map((ep) => isDenied(DENIAL, { ep, sid: sid(1) }))).toEqual([true, true, true]);
  });

  test("REV-01: no session by a name that every object has", () => {
    for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
      expect(isDenied(DENIAL, { ep: 5, sid: name as SessionId })).toBe(false);
    }
  });
});

test("REV-02: a token is of an earlier era if its user was authenticated before everyone was revoked, however new it is", () => {
  const made = (auth_time: number, iat: number) => isOfEarlierEra({ auth_time, iat }, 1000);
  expect([made(999, 999), made(999, 1004), made(1000, 1000), made(1000, 1004)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(isOfEarlierEra({ auth_time: 1, iat: 1 }, 0), "nobody ever was").toBe(false);
});

describe("merging what is known with what is told", () => {
  const merge = (one: Denial | null, other: Denial | null) => mergeDenials(one, other, EARLY);

  test("REV-07: the higher epoch and the sessions of both", () => {
    expect(merge(DENIAL, { epoch: 4, sids: { [sid(3)]: 3000 } })).toEqual({
      epoch: 5,
      sids: { [sid(1)]: 1000, [sid(2)]: 2000, [sid(3)]: 3000 },
    });
    expect(merge(DENIAL, { epoch: 7, sids: {} })).toEqual({ epoch: 7, sids: DENIAL.sids });
  });

  test("REV-07: with nothing it is what it was, and nothing with nothing is nothing", () => {
    expect(merge(DENIAL, null)).toEqual(DENIAL);
    expect(merge(null, DENIAL)).toEqual(DENIAL);
    expect(merge(null, null)).toBeNull();
  });

  test("REV-07: a session that both name is kept for the longer of the two times", () => {
    const longer: Denial = { epoch: 5, sids: { [sid(1)]: 9000 } };
    expect(merge(DENIAL, longer)?.sids[sid(1)]).toBe(9000);
    expect(merge(longer, DENIAL)?.sids[sid(1)]).toBe(9000);
  });

  test("REV-07: over any denials, exactly what either denies is denied: nothing is taken back, nothing made up", () => {
    fc.assert(
      fc.property(aDenial, aDenial, aToken, (one, other, token) => {
        const merged = merge(one, other);
        expect(isDenied(merged, token)).toBe(isDenied(one, token) || isDenied(other, token));
      }),
    );
  });

  test("REV-07: the order in which news arrives, and how often, does not matter", () => {
    fc.assert(
      fc.property(aDenial, aDenial, aDenial, aToken, (a, b, c, token) => {
        const denied = (denial: Denial | null) => isDenied(denial, token);
        expect(denied(merge(a, b))).toBe(denied(merge(b, a)));
        expect(denied(merge(merge(a, b), c))).toBe(denied(merge(a, merge(b, c))));
        expect(merge(a, a)).toEqual(a);
      }),
    );
  });

  test("a session is named until its last token has expired, whoever named it, and no longer", () => {
    expect(mergeDenials(DENIAL, null, 999)).toEqual(DENIAL);
    expect(mergeDenials(null, DENIAL, 1000)).toEqual({ epoch: 5, sids: { [sid(2)]: 2000 } });
    expect(mergeDenials(DENIAL, { epoch: 6, sids: {} }, 2000)).toEqual({ epoch: 6, sids: {} });
  });

  test("neither of the two is written into", () => {
    const one = Object.freeze({ epoch: 1, sids: Object.freeze({ [sid(1)]: 1 }) });
    const other = Object.freeze({ epoch: 2, sids: Object.freeze({ [sid(2)]: 2 }) });
    expect(merge(one, other)?.epoch).toBe(2);
    expect(Object.keys(one.sids)).toEqual([sid(1)]);
  });
});

describe("how KV keeps it", () => {
  test("architecture: one key a user, and one for everyone that no user can have", () => {
    expect(revocationKey(7 as UserId)).toBe("revoked:7");
    expect(revocationKey(Number.MAX_SAFE_INTEGER as UserId)).toBe("revoked:9007199254740991");
    expect(GLOBAL_REVOCATION_KEY).toBe("revoked:*");
  });

  test("REV-10: the value outlives every access token that it denies, and is never under KV's least of 60 seconds", () => {
    expect(KV_TTL_SECONDS_MIN).toBe(60);
    expect(denialTtlSeconds(600)).toBe(660);
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 10_000 }), (ttl) => {
        expect(denialTtlSeconds(ttl)).toBeGreaterThanOrEqual(60);
        expect(denialTtlSeconds(ttl)).toBeGreaterThan(ttl);
      }),
    );
  });

  test("REV-07: what is written is read back as it was", () => {
    fc.assert(
      fc.property(aDenial, (denial) => {
        if (denial !== null) expect(denialSchema.parse(JSON.parse(JSON.stringify(denial)))).toEqual(denial);
      }),
    );
  });

  test.for([
    ["nothing", null],
    ["text", "revoked"],
    ["a number", 1],
    ["no epoch", { sids: {} }],
    ["no sessions", { epoch: 5 }],
    ["a negative epoch", { epoch: -1, sids: {} }],
    ["an epoch that is text", { epoch: "5", sids: {} }],
    ["an epoch in parts", { epoch: 1.5, sids: {} }],
    ["a list of sessions", { epoch: 5, sids: [sid(1)] }],
    ["a time that is text", { epoch: 5, sids: { [sid(1)]: "soon" } }],
  ])("REV-10: %s is not taken for a denial: it is a fault, and no fault clears a token", ([, value]) => {
    expect(denialSchema.safeParse(value).success).toBe(false);
  });
});
