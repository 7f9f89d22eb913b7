import { expect, test } from "vitest";
import { endingKeys } from "../../schema/key-expiry.ts";
import { maySign, mayVerify, readSigningKeys, type SigningKey } from "../../schema/signing-keys.ts";

const NOW = 1_000_000;
const NOTICE = 1000;

function key(kid: string, createdAt: number, endsAt: number | null): SigningKey {
  return { kid, algorithm: "EdDSA", jwk: null, secret: null, createdAt, endsAt };
}
const endingNow = (...keys: SigningKey[]) => endingKeys(keys, NOW, NOTICE);
/** Those with nothing to take their place. */
const ending = (...keys: SigningKey[]): string[] =>
  endingNow(...keys)
    .filter(({ hasSuccessor }) => !hasSuccessor)
    .map(({ kid }) => kid);

test("a key without an end, or that ends later than the notice, is not ending", () => {
  expect(ending(key("endless", 1, null), key("far", 1, NOW + NOTICE + 1))).toEqual([]);
  expect(ending(key("far", 1, NOW + NOTICE + 1))).toEqual([]);
});

test("a key that ends within the notice is ending, up to its last second", () => {
  expect(ending(key("first", 1, NOW + NOTICE))).toEqual(["first"]);
  expect(ending(key("last", 1, NOW + 1))).toEqual(["last"]);
});

test("a key that has ended is not ending", () => {
  expect(ending(key("ended", 1, NOW))).toEqual([]);
  expect(ending(key("ended", 1, NOW - 1))).toEqual([]);
});

test("a newer key that outlives it is its successor, also one that has not begun yet", () => {
  const old = key("old", 1, NOW + 10);
  expect(ending(key("new", 2, null), old)).toEqual([]);
  expect(ending(key("new", 2, NOW + NOTICE + 1), old)).toEqual([]);
  expect(ending(key("new", NOW + 10, null), old)).toEqual([]);
});

test("a key with a successor is ending all the same, and said to have one", () => {
  const old = key("old", 1, NOW + 10);
  expect(endingNow(key("new", 2, null), old)).toEqual([{ ...old, hasSuccessor: true }]);
});

test("JWT_SECRET beside a set, which signs nothing, succeeds no key", () => {
  const set = JSON.stringify({ keys: [{ ...material, kid: "old", exp: NOW + 10 }] });
  const { keys } = readSigningKeys(set, "a secret");
  expect(ending(...keys)).toEqual(["old"]);
});

test("no successor: an older key, one that ends no later, one that leaves a gap", () => {
  const old = key("old", 5, NOW + 10);
  expect(ending(old, key("older", 4, null))).toEqual(["old"]);
  expect(ending(key("same end", 6, NOW + 10), old)).toEqual(["same end", "old"]);
  expect(ending(key("late", NOW + 11, null), old)).toEqual(["old"]);
});

test("of two keys of one age that both end, the one that ends later succeeds the other", () => {
  expect(ending(key("sooner", 1, NOW + 10), key("later", 1, NOW + 20))).toEqual(["later"]);
});

test("each key of a chain is judged by its own end", () => {
  expect(ending(key("next", 2, NOW + 20), key("old", 1, NOW + 10))).toEqual(["next"]);
});

test("TOK-11: a key signs from iat until exp, and verifies one access-token life longer", () => {
  const life = { createdAt: 100, endsAt: 200 };
  expect([99, 100, 199, 200].map((now) => maySign(life, now))).toEqual([false, true, true, false]);
  expect([0, 99, 259, 260].map((now) => mayVerify(life, now, 60))).toEqual([true, true, true, false]);
  const endless = { createdAt: 100, endsAt: null };
  expect([maySign(endless, 9e9), mayVerify(endless, 9e9, 60)]).toEqual([true, true]);
});

const material = { kty: "OKP", crv: "Ed25519", x: "A".repeat(43), d: "A".repeat(43) };
const read = (...keys: object[]) => readSigningKeys(JSON.stringify({ keys }), null);

test("the newest key is first, and of two equally old ones the one that comes first in the set", () => {
  const { keys, problems } = read(
    { ...material, kid: "a", iat: 1 },
    { ...material, kid: "b", iat: 3 },
    { ...material, kid: "c", iat: 3 },
    { ...material, kid: "d" },
  );
  expect(problems).toEqual([]);
  expect(keys.map(({ kid }) => kid)).toEqual(["b", "c", "a", "d"]);
});

test.each([
  ["two of one kid", [{ kid: "a" }, { kid: "a" }]],
  ["no kid", [{}]],
  ["an exp that is not after iat", [{ kid: "a", iat: 5, exp: 5 }]],
  ["a key for encryption", [{ kid: "a", use: "enc" }]],
  ["a key that may not sign", [{ kid: "a", key_ops: ["verify"] }]],
  ["another algorithm", [{ kid: "a", alg: "RS256" }]],
  ["a public key", [{ kid: "a", d: undefined }]],
  ["another spelling of the same bytes", [{ kid: "a", x: `${"A".repeat(42)}B` }]],
  ["no key at all", []],
  ["seventeen keys", Array.from({ length: 17 }, (_, i) => ({ kid: `k${i}` }))],
])("refused: %s", (_name, keys) => {
  const { problems } = read(...keys.map((one) => ({ ...material, ...one })));
  expect(problems).toHaveLength(1);
  expect(problems[0]).not.toContain("AAAA");
});

test("the kid of JWT_SECRET's key is its own", () => {
  const set = JSON.stringify({ keys: [{ ...material, kid: "hs256" }] });
  expect(readSigningKeys(set, "a secret").problems).toEqual(["has two keys of one kid"]);
});
