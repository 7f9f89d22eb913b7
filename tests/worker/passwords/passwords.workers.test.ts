import nodeCrypto from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { parsePasswordHash } from "../../../schema/password-hash.ts";
import { pbkdf2Sha256 } from "../../../worker/passwords/pbkdf2-sha256.ts";
import { decoyWork, hashPassword, verifyPassword } from "../../../worker/passwords/registry.ts";
import { emulateProductionLimits } from "../../support/production-limits.ts";
import formats from "../../vectors/django-formats.json";
import django from "../../vectors/django-hashes.json";
import djangoTable from "../../vectors/django-users.json";
import wycheproof from "../../vectors/wycheproof-pbkdf2-sha256.json";

/** Milliseconds, far above what any case here takes on a slow machine. */
const MANY_HASHES_TIMEOUT_MS = 120_000;

const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const fromHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const DECOY = { matches: false, needsRehash: false, work: "decoy" };
const ARGON2 = "argon2$argon2id$v=19$m=19456,t=2,p=1$";

beforeAll(emulateProductionLimits);

test("HASH-02: the runtime's own PBKDF2 is capped at 100,000 in these tests", async () => {
  const key = await crypto.subtle.importKey("raw", randomBytes(8), "PBKDF2", false, ["deriveBits"]);
  const bits = (iterations: number) =>
    crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: randomBytes(8), iterations }, key, 256);
  await expect(bits(100_000)).resolves.toBeInstanceOf(ArrayBuffer);
  await expect(bits(100_001)).rejects.toThrow("iteration counts above 100000 are not supported");
  expect(() => nodeCrypto.pbkdf2Sync("a", "b", 100_001, 32, "sha256")).toThrow("above 100000");
});

describe("HASH-02: every Django vector verifies with PBKDF2 capped at 100,000", () => {
  test.for(django.cases.map((each) => [`${each.id} ${each.algorithm} ${each.note}`, each] as const))(
    "%s",
    { timeout: MANY_HASHES_TIMEOUT_MS },
    async ([, { password, encoded, valid }]) => {
      expect((await verifyPassword(password, encoded)).matches).toBe(valid);
      if (valid) expect((await verifyPassword(`${password} `, encoded)).matches).toBe(false);
    },
  );
});

describe("HASH-01, HASH-06: every older kind verifies, and is to be replaced", () => {
  test.for(formats.cases.map((each) => [each.case, each] as const))(
    "%s",
    { timeout: MANY_HASHES_TIMEOUT_MS },
    async ([, { password, encoded }]) => {
      expect(await verifyPassword(password, encoded)).toMatchObject({ matches: true, needsRehash: true });
      for (const other of [`x${password}`, password.toUpperCase(), ""]) {
        expect(await verifyPassword(other, encoded)).toMatchObject({ matches: false, needsRehash: false });
      }
    },
  );
});

describe("HASH-01: what people of a Django table type is what matches", () => {
  const rows = djangoTable.users.filter(
    ({ encoded }) => parsePasswordHash(encoded).algorithm === "pbkdf2_sha256",
  );

  test.for(rows.map((row) => [row.case, row] as const))(
    "%s",
    { timeout: MANY_HASHES_TIMEOUT_MS },
    async ([, { password, encoded, wrong }]) => {
      const work = "pbkdf2_sha256";
      expect(await verifyPassword(password, encoded)).toEqual({ matches: true, needsRehash: true, work });
      for (const other of wrong) {
        expect(await verifyPassword(other, encoded)).toEqual({ matches: false, needsRehash: false, work });
      }
    },
  );
});

test("HASH-01: every Wycheproof vector for PBKDF2-HMAC-SHA256 gives its first 32 bytes", {
  timeout: MANY_HASHES_TIMEOUT_MS,
}, async () => {
  const vectors = wycheproof.testGroups.flatMap((group) => group.tests);
  expect(vectors).toHaveLength(60);
  for (const { tcId, password, salt, iterationCount, dk } of vectors) {
    const derived = await pbkdf2Sha256(fromHex(password), fromHex(salt), iterationCount);
    const expected = fromHex(dk).slice(0, 32);
    expect(derived.slice(0, expected.length), `tcId ${tcId}`).toEqual(expected);
  }
});

test("HASH-01: verifications at the same time in one isolate all come out right", async () => {
  const cases = django.cases.filter(({ id }) => ["dev-1", "dev-4", "dev-8", "dev-11"].includes(id));
  const verdicts = await Promise.all(cases.map(({ password, encoded }) => verifyPassword(password, encoded)));
  expect(verdicts.map(({ matches }) => matches)).toEqual(cases.map(({ valid }) => valid));
});

describe("a new hash", () => {
  test("HASH-07: has OWASP's costs, a salt of its own and Django's encoding", async () => {
    const [first, second] = [await hashPassword("p", randomBytes), await hashPassword("p", randomBytes)];
    expect(first).toMatch(/^argon2\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{30}\$[A-Za-z0-9+/]{43}$/);
    expect(atob(first.split("$")[4] ?? "")).toMatch(/^[A-Za-z0-9]{22}$/);
    expect(second).not.toBe(first);
  });

  test("PWD-04: matches exactly what was typed and nothing like it", async () => {
    const typed = " Pässwörd-é ☂\0";
    const encoded = await hashPassword(typed, randomBytes);
    expect(await verifyPassword(typed, encoded)).toEqual({
      matches: true,
      needsRehash: false,
      work: "argon2",
    });
    for (const other of [typed.trim(), typed.toLowerCase(), typed.normalize("NFD"), typed.slice(0, -1), ""]) {
      expect((await verifyPassword(other, encoded)).matches).toBe(false);
    }
  });

  test("PWD-01: takes 1,024 bytes to the last one, and refuses what cannot be encoded", async () => {
    const longest = "é".repeat(512);
    const encoded = await hashPassword(longest, randomBytes);
    expect((await verifyPassword(longest, encoded)).matches).toBe(true);
    expect((await verifyPassword(`${longest.slice(0, -1)}è`, encoded)).matches).toBe(false);
    await expect(hashPassword(`${longest}x`, randomBytes)).rejects.toThrow(RangeError);
    await expect(hashPassword("\ud800", randomBytes)).rejects.toThrow(RangeError);
  });
});

describe("HASH-03: a hash that is not of the current scheme is to be replaced, but only after a match", () => {
  // Made by OpenSSL for this password.
  const password = "señal débil ☂";
  test.for([
    [
      "lower costs",
      true,
      "argon2$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$HdhI1WBt6+/Vj38cDg+nDHM9G6xsVAT/SA9b7NVJcZs",
    ],
    [
      "a salt of less than 128 bits in Django's eyes",
      true,
      "argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiAxNiBieXRlcw$1EZGxIk3Ucm0ywN3rYu7d6bXmZhSCd+N6wHhX2zfmNw",
    ],
    [
      "a shorter digest",
      true,
      "argon2$argon2id$v=19$m=19456,t=2,p=1$RnNNcXg1V2M1TEQwaGJOMHV3YllFVw$mXftGthVQTFDmKLpTSG/3Q",
    ],
    [
      "the current scheme",
      false,
      "argon2$argon2id$v=19$m=19456,t=2,p=1$RnNNcXg1V2M1TEQwaGJOMHV3YllFVw$uJPnDMITt7Y9e0huzBPoZG7Vzu6/rItC1kQ2CcgPqUQ",
    ],
  ] as const)("%s", async ([, needsRehash, encoded]) => {
    expect(await verifyPassword(password, encoded)).toEqual({ matches: true, needsRehash, work: "argon2" });
    const other = await verifyPassword("señal débil ☃", encoded);
    expect(other).toEqual({ matches: false, needsRehash: false, work: "argon2" });
  });
});

describe("HASH-04: a stored hash that cannot be verified is an ordinary mismatch", () => {
  test.for([
    "",
    "$$$$",
    "pbkdf2_sha256$2000001$salt$/ZlluufbqfUX3UEUdKkEFQ0RC34PdVlZfsc0diWPBUc=",
    "pbkdf2_sha256$1000000000000$salt$/ZlluufbqfUX3UEUdKkEFQ0RC34PdVlZfsc0diWPBUc=",
    "pbkdf2_sha256$1$salt$AAAA",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$Y3lYcEhQc3hIUE5FalRqZHZselZhag$RjEGq49pGHCsMyGCLJRW/w",
    "argon2$argon2id$v=19$m=4294967295,t=4294967295,p=1$c29tZXNhbHQ$RjEGq49pGHCsMyGCLJRW/w",
    `${ARGON2}$`,
  ])("%s", async (encoded) => {
    expect(await verifyPassword("Sunday-morning-tea-9", encoded)).toEqual(DECOY);
  });
});

test("HASH-05: an unusable password matches nothing, not even itself", async () => {
  for (const encoded of ["!", "!cJ3ejKG0bV5KKfFLm9iVtmKJQoODYb3FB6m2Cj2M"]) {
    for (const password of ["", encoded, encoded.slice(1)]) {
      expect(await verifyPassword(password, encoded)).toEqual(DECOY);
    }
  }
});

test("HASH-08: a password that cannot be encoded, or a user who does not exist, costs a decoy", async () => {
  const encoded = await hashPassword("\ufffd", randomBytes);
  expect(await verifyPassword("\ud800", encoded)).toEqual(DECOY);
  expect(await verifyPassword("x".repeat(1_025), encoded)).toEqual(DECOY);
  expect(await verifyPassword("é".repeat(513), encoded)).toEqual(DECOY);
  await expect(decoyWork("any password")).resolves.toBeUndefined();
  await expect(decoyWork("\ud800")).resolves.toBeUndefined();
});
