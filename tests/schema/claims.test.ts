import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  accessClaims,
  formatRefreshJti,
  lifetimeSeconds,
  parseRefreshJti,
  refreshClaims,
} from "../../schema/claims.ts";
import type { TokenId } from "../../schema/ids.ts";

const NOW = 1_800_000_000;
const SID = "s-S_0123456789abcdefgh";
const JTI = "t-T_0123456789abcdefgh";
const COMMON = {
  iss: "https://id.example.com",
  aud: "https://api.example.com",
  sub: "7",
  user_id: 7,
  sid: SID,
  iat: NOW,
  exp: NOW + 600,
};
const ACCESS = {
  ...COMMON,
  jti: JTI,
  username: "ada",
  email: "ada@example.com",
  role: "user",
  auth_time: NOW,
  amr: ["pwd"],
  ep: 5,
  token_type: "access",
};
const REFRESH = { ...COMMON, jti: `${JTI}.4`, token_type: "refresh" };

const without = (claims: object, name: string) =>
  Object.fromEntries(Object.entries(claims).filter(([member]) => member !== name));

/** What no claim of this type may be. */
const NO_TEXT: unknown[] = ["", 7, true, null, [], ["x"], {}];
const NO_DATE: unknown[] = [
  -1,
  1.5,
  "1800000000",
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  null,
  [],
  {},
  true,
];
const NO_ID: unknown[] = [0, -7, 7.5, "7", 2 ** 53, Number.NaN, null, [], {}];
const NO_RANDOM: unknown[] = [
  "",
  SID.slice(1),
  `${SID}x`,
  SID.replace("-", "+"),
  SID.replace("-", "="),
  SID.replace("-", " "),
  `${SID.slice(1)}\n`,
  `${SID}\n`,
  7,
  null,
  [SID],
];

const COMMON_CASES: [string, unknown[]][] = [
  ["iss", NO_TEXT],
  ["aud", NO_TEXT],
  ["sub", NO_TEXT],
  ["user_id", NO_ID],
  ["sid", NO_RANDOM],
  ["iat", NO_DATE],
  ["exp", NO_DATE],
];

describe("an access token's claims", () => {
  test("contract §4: the whole of them is read as it is", () => {
    expect(accessClaims.parse(ACCESS)).toEqual(ACCESS);
  });

  test("contract §4: an account without an e-mail has no such claim", () => {
    const claims = without(ACCESS, "email");
    expect(accessClaims.parse(claims)).toEqual(claims);
  });

  test("contract §4: an admin's, with two methods, and one without any", () => {
    expect(accessClaims.parse({ ...ACCESS, role: "admin", amr: ["pwd", "otp"] })).toMatchObject({
      role: "admin",
      amr: ["pwd", "otp"],
    });
    expect(accessClaims.safeParse({ ...ACCESS, amr: [] }).success).toBe(true);
  });

  test("TOK-09: what is not in the contract is dropped", () => {
    const claims = accessClaims.parse({
      ...ACCESS,
      is_superuser: true,
      nbf: 1,
      __proto__: { role: "admin" },
    });
    expect(claims).toEqual(ACCESS);
  });

  test.for(Object.keys(without(ACCESS, "email")))("TOK-04: %s is required", (name) => {
    expect(accessClaims.safeParse(without(ACCESS, name)).success).toBe(false);
  });

  test.for<[string, unknown[]]>([
    ...COMMON_CASES,
    ["jti", [...NO_RANDOM, `${JTI}.4`]],
    ["username", NO_TEXT],
    ["email", NO_TEXT],
    ["role", ["", "a b", "Admin", "USER", ["admin"], 1, null]],
    ["auth_time", NO_DATE],
    ["amr", ["pwd", "", null, {}, [""], [1], [null], [["pwd"]]]],
    ["ep", NO_DATE],
    ["token_type", ["refresh", "Access", "", null, true, ["access"]]],
  ])("TOK-04: %s of another type or form is refused", ([name, values]) => {
    for (const value of values) {
      expect(accessClaims.safeParse({ ...ACCESS, [name]: value }).success).toBe(false);
    }
  });

  test("TOK-05: a refresh token's claims are not an access token's, and the reverse", () => {
    expect(accessClaims.safeParse(REFRESH).success).toBe(false);
    expect(accessClaims.safeParse({ ...ACCESS, ...REFRESH }).success).toBe(false);
    expect(refreshClaims.safeParse(ACCESS).success).toBe(false);
  });

  test.for([null, undefined, "x", 7, [], [ACCESS]])(
    "HTTP-04: %o is no set of claims, and no fault",
    (value) => {
      expect(accessClaims.safeParse(value).success).toBe(false);
      expect(refreshClaims.safeParse(value).success).toBe(false);
    },
  );
});

describe("a refresh token's claims", () => {
  test("contract §4: the whole of them is read as it is", () => {
    expect(refreshClaims.parse(REFRESH)).toEqual(REFRESH);
  });

  test("TOK-09: no personal data gets through, should there ever be any", () => {
    expect(refreshClaims.parse({ ...ACCESS, ...REFRESH })).toEqual(REFRESH);
  });

  test.for(Object.keys(REFRESH))("TOK-04: %s is required", (name) => {
    expect(refreshClaims.safeParse(without(REFRESH, name)).success).toBe(false);
  });

  test.for<[string, unknown[]]>([
    ...COMMON_CASES,
    ["jti", [7, null, [REFRESH.jti]]],
    ["token_type", ["access", "Refresh", "", null]],
  ])("TOK-04: %s of another type or form is refused", ([name, values]) => {
    for (const value of values) {
      expect(refreshClaims.safeParse({ ...REFRESH, [name]: value }).success).toBe(false);
    }
  });
});

describe("a refresh token's jti", () => {
  test("REF-04: it is its random half and its generation", () => {
    expect(parseRefreshJti(`${JTI}.0`)).toEqual({ tokenId: JTI, generation: 0 });
    expect(parseRefreshJti(`${JTI}.1`)).toEqual({ tokenId: JTI, generation: 1 });
    expect(parseRefreshJti(`${JTI}.9999999999`)).toEqual({ tokenId: JTI, generation: 9_999_999_999 });
  });

  test.for([
    ["nothing", ""],
    ["no generation", JTI],
    ["an empty generation", `${JTI}.`],
    ["no random half", ".4"],
    ["a random half that is too short", `${JTI.slice(1)}.4`],
    ["a random half that is too long", `${JTI}x.4`],
    ["another alphabet", `${JTI.replace("-", "+")}.4`],
    ["a leading zero", `${JTI}.04`],
    ["two zeros", `${JTI}.00`],
    ["a sign", `${JTI}.+4`],
    ["a negative one", `${JTI}.-4`],
    ["a fraction", `${JTI}.4.5`],
    ["an exponent", `${JTI}.4e2`],
    ["hexadecimal", `${JTI}.0x4`],
    ["other digits", `${JTI}.٤`],
    ["eleven digits", `${JTI}.10000000000`],
    ["a space before it", ` ${JTI}.4`],
    ["a line end after it", `${JTI}.4\n`],
    ["a comma for the dot", `${JTI},4`],
  ])("TOK-07: one spelling only: %s is none", ([, jti]) => {
    expect(parseRefreshJti(jti ?? "")).toBeNull();
  });

  test("TOK-07: whatever is read was written in exactly this way", () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{22}$/).map((text) => text as TokenId);
    fc.assert(
      fc.property(id, fc.nat({ max: 9_999_999_999 }), (tokenId, generation) => {
        const jti = formatRefreshJti({ tokenId, generation });
        expect(parseRefreshJti(jti)).toEqual({ tokenId, generation });
      }),
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{21,23}\.[0-9]{0,11}$/), (jti) => {
        const name = parseRefreshJti(jti);
        if (name !== null) expect(formatRefreshJti(name)).toBe(jti);
      }),
    );
  });
});

test("TOK-03: a lifetime is what lies between iat and exp, negative for a token that ends before it begins", () => {
  expect(lifetimeSeconds({ iat: NOW, exp: NOW + 600 })).toBe(600);
  expect(lifetimeSeconds({ iat: NOW, exp: NOW - 1 })).toBe(-1);
});
