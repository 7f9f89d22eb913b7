import { describe, expect, test } from "vitest";
import { maySign, mayVerify, readSigningKeys } from "../../schema/signing-keys.ts";

/** The private keys of RFC 8037 A.1 and RFC 7515 A.3: published, so good for nothing but this. */
const ED25519 = {
  kty: "OKP",
  crv: "Ed25519",
  x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwaaPJHURo0",
  d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
};
const P256 = {
  kty: "EC",
  crv: "P-256",
  x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
  y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
  d: "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
};
const SECRET = "Qm7vX2pL9sK4tR8wZ1yB6nC3dF5gH0jV";
const MALFORMED = expect.stringMatching(/^must be a private JWK set .* each with a kid$/);

const setOf = (...keys: object[]) => JSON.stringify({ keys });
const without = (key: Record<string, unknown>, name: string) =>
  Object.fromEntries(Object.entries(key).filter(([member]) => member !== name));

describe("a good key", () => {
  test("RFC 8037: Ed25519 signs EdDSA, and only the members of the key are kept", () => {
    const key = { ...ED25519, kid: "one", alg: "EdDSA", use: "sig", key_ops: ["sign"], comment: "mine" };
    expect(readSigningKeys(setOf(key), null)).toEqual({
      problems: [],
      keys: [{ kid: "one", algorithm: "EdDSA", jwk: ED25519, secret: null, createdAt: 0, endsAt: null }],
    });
  });

  test("RFC 7518 §3.4: P-256 signs ES256", () => {
    expect(readSigningKeys(setOf({ ...P256, kid: "one", alg: "ES256" }), null)).toEqual({
      problems: [],
      keys: [{ kid: "one", algorithm: "ES256", jwk: P256, secret: null, createdAt: 0, endsAt: null }],
    });
  });

  test("RFC 9864: alg may be left out, and Ed25519 is its other name", () => {
    for (const alg of [undefined, "EdDSA", "Ed25519"]) {
      expect(readSigningKeys(setOf({ ...ED25519, kid: "one", alg }), null).keys).toMatchObject([
        { algorithm: "EdDSA" },
      ]);
    }
  });

  test("TOK-11: iat tells when it was made and exp when it ends", () => {
    expect(readSigningKeys(setOf({ ...ED25519, kid: "one", iat: 100, exp: 200 }), null).keys).toMatchObject([
      { createdAt: 100, endsAt: 200 },
    ]);
  });

  test("a kid of 64 characters of its alphabet is read", () => {
    const kid = `${"k".repeat(54)}.AZ_az-09.`;
    expect(readSigningKeys(setOf({ ...ED25519, kid }), null).problems).toEqual([]);
  });
});

describe("a set", () => {
  test("TOK-11: the newest comes first, and keys of one age stay in order", () => {
    const ages = [5, 20, 5, 10].map((iat, index) => ({ ...ED25519, kid: `${iat}-${index}`, iat }));
    const { keys } = readSigningKeys(setOf(...ages, { ...P256, kid: "ageless" }), null);
    expect(keys.map(({ kid }) => kid)).toEqual(["20-1", "10-3", "5-0", "5-2", "ageless"]);
  });

  test("1 to 16 keys", () => {
    const many = (count: number) =>
      setOf(...Array.from({ length: count }, (_, index) => ({ ...ED25519, kid: `k${index}` })));
    expect(readSigningKeys(many(1), null).problems).toEqual([]);
    expect(readSigningKeys(many(16), null).problems).toEqual([]);
    expect(readSigningKeys(many(0), null)).toEqual({ keys: [], problems: [MALFORMED] });
    expect(readSigningKeys(many(17), null)).toEqual({ keys: [], problems: [MALFORMED] });
  });

  test("RFC 7517 §4.5: two keys of one kid are refused, whatever their type", () => {
    const twice = setOf({ ...ED25519, kid: "one", iat: 1 }, { ...P256, kid: "one", iat: 2 });
    expect(readSigningKeys(twice, null).problems).toEqual(["has two keys of one kid"]);
  });

  test("one bad key spoils the set: none of it is used", () => {
    const set = setOf({ ...ED25519, kid: "one" }, { ...ED25519, kid: "two", crv: "X25519" });
    expect(readSigningKeys(set, null)).toEqual({ keys: [], problems: [MALFORMED] });
  });

  test("TOK-11: a key that ends before it begins, or as it begins, is refused", () => {
    const problems = (iat: number | undefined, exp: number) =>
      readSigningKeys(setOf({ ...ED25519, kid: "one", iat, exp }), null).problems;
    expect(problems(100, 101)).toEqual([]);
    expect(problems(100, 100)).toEqual(["has a key whose exp is not after its iat"]);
    expect(problems(100, 99)).toEqual(["has a key whose exp is not after its iat"]);
    expect(problems(undefined, 0)).toEqual(["has a key whose exp is not after its iat"]);
  });

  test.for([
    ["no JSON", "{"],
    ["white space", " "],
    ["null", "null"],
    ["a list", JSON.stringify([{ ...ED25519, kid: "one" }])],
    ["a key without a set", JSON.stringify({ ...ED25519, kid: "one" })],
    ["keys that are no list", JSON.stringify({ keys: { ...ED25519, kid: "one" } })],
    ["text for a key", JSON.stringify({ keys: ["one"] })],
    ["a PEM", "-----BEGIN PRIVATE KEY-----"],
    ["two sets", `${setOf({ ...ED25519, kid: "one" })}${setOf({ ...ED25519, kid: "two" })}`],
  ])("TOK-12: %s is no set", ([, set]) => {
    expect(readSigningKeys(set ?? "", null)).toEqual({ keys: [], problems: [MALFORMED] });
  });
});

describe("a key that is refused", () => {
  test.for<[string, object]>([
    ["no kid", ED25519],
    ["an empty kid", { ...ED25519, kid: "" }],
    ["a kid of 65 characters", { ...ED25519, kid: "k".repeat(65) }],
    ["a kid with a space", { ...ED25519, kid: "my key" }],
    ["a kid with a line end", { ...ED25519, kid: "one\n" }],
    ["a kid that is a path", { ...ED25519, kid: "../../etc/passwd" }],
    ["a kid that is a number", { ...ED25519, kid: 1 }],
    ["a public Ed25519 key", { ...without(ED25519, "d"), kid: "one" }],
    ["a public P-256 key", { ...without(P256, "d"), kid: "one" }],
    ["no x", { ...without(ED25519, "x"), kid: "one" }],
    ["P-256 without y", { ...without(P256, "y"), kid: "one" }],
    ["RSA", { kty: "RSA", kid: "one", n: "AQAB", e: "AQAB", d: "AQAB" }],
    ["a symmetric key", { kty: "oct", kid: "one", k: ED25519.d }],
    ["no kty", { ...without(ED25519, "kty"), kid: "one" }],
    ["Ed448", { ...ED25519, crv: "Ed448", kid: "one" }],
    ["X25519, which only agrees on keys", { ...ED25519, crv: "X25519", kid: "one" }],
    ["P-384", { ...P256, crv: "P-384", kid: "one" }],
    ["a curve of the other type", { ...P256, crv: "Ed25519", kid: "one" }],
    ["alg of the other type", { ...ED25519, alg: "ES256", kid: "one" }],
    ["alg none", { ...ED25519, alg: "none", kid: "one" }],
    ["alg HS256", { ...P256, alg: "HS256", kid: "one" }],
    ["use for encryption", { ...ED25519, use: "enc", kid: "one" }],
    ["d of 31 bytes", { ...ED25519, d: ED25519.d.slice(1), kid: "one" }],
    ["d of 33 bytes", { ...ED25519, d: `A${ED25519.d}`, kid: "one" }],
    ["d with padding", { ...ED25519, d: `${ED25519.d}=`, kid: "one" }],
    ["x in standard base64", { ...ED25519, x: ED25519.x.replace("_", "/"), kid: "one" }],
    ["y that is a number", { ...P256, y: 1, kid: "one" }],
    ["a d whose last character has stray bits", { ...ED25519, d: ED25519.d.replace(/A$/, "B"), kid: "one" }],
    ["key_ops without sign", { ...ED25519, key_ops: ["verify"], kid: "one" }],
    ["iat that is text", { ...ED25519, iat: "2026-01-01", kid: "one" }],
    ["iat before 1970", { ...ED25519, iat: -1, kid: "one" }],
    ["exp in parts of a second", { ...ED25519, exp: 1.5, kid: "one" }],
  ])("TOK-12: %s", ([, key]) => {
    expect(readSigningKeys(setOf(key), null)).toEqual({ keys: [], problems: [MALFORMED] });
  });

  test("LOG-05: the problem quotes nothing of it", () => {
    const { problems } = readSigningKeys(setOf({ ...ED25519, kid: "my key" }), null);
    expect(JSON.stringify(problems)).not.toMatch(/nWGxne|my key/);
  });
});

describe("a key's life", () => {
  const life = { createdAt: 1000, endsAt: 2000 };
  const endless = { createdAt: 1000, endsAt: null };

  test("TOK-11: it signs from the second of its iat until the second before its exp", () => {
    expect([999, 1000, 1999, 2000].map((now) => maySign(life, now))).toEqual([false, true, true, false]);
    expect([999, 1000, 9e9].map((now) => maySign(endless, now))).toEqual([false, true, true]);
  });

  test("TOK-11: it verifies before it signs, and after its end for one life of an access token", () => {
    expect([0, 2000, 2599, 2600].map((now) => mayVerify(life, now, 600))).toEqual([true, true, true, false]);
    expect(mayVerify(endless, 9e9, 600)).toBe(true);
  });
});

describe("HS256", () => {
  const HS256 = { kid: "hs256", algorithm: "HS256", jwk: null, secret: SECRET, createdAt: 0, endsAt: null };

  test("contract §2: JWT_SECRET alone is the one key", () => {
    expect(readSigningKeys("", SECRET)).toEqual({ keys: [HS256], problems: [] });
  });

  test("neither is no key, and no problem of the set", () => {
    expect(readSigningKeys("", null)).toEqual({ keys: [], problems: [] });
  });

  test("contract §2: beside a set it verifies what it signed alone, and never signs, whatever becomes of the set", () => {
    const { keys, problems } = readSigningKeys(setOf({ ...ED25519, kid: "one", iat: 5 }), SECRET);
    expect(problems).toEqual([]);
    const secret = keys.find(({ kid }) => kid === "hs256");
    if (secret === undefined) throw new Error("the secret is one of the keys");
    expect(keys).toHaveLength(2);
    expect([0, 4, 9e9].map((now) => maySign(secret, now))).toEqual([false, false, false]);
    expect(mayVerify(secret, 9e9, 600)).toBe(true);
  });

  test("RFC 7517 §4.5: a key of the set with its kid is a second one of that kid", () => {
    const set = setOf({ ...ED25519, kid: "hs256", iat: 5 });
    expect(readSigningKeys(set, SECRET).problems).toEqual(["has two keys of one kid"]);
    expect(readSigningKeys(set, null).problems).toEqual([]);
  });
});
