import nodeCrypto from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { PBKDF2_ITERATIONS_MAX, parsePasswordHash } from "../../../schema/password-hash.ts";
import { pbkdf2 } from "../../../worker/passwords/pbkdf2.ts";
import { decoyWork, hashPassword, verifyPassword } from "../../../worker/passwords/registry.ts";
import { emulateProductionLimits } from "../../support/production-limits.ts";
import formats from "../../vectors/django-formats.json";
import django from "../../vectors/django-hashes.json";
import more from "../../vectors/django-hashes-more.json";
import djangoTable from "../../vectors/django-users.json";
import wycheproofSha1 from "../../vectors/wycheproof-pbkdf2-sha1.json";
import wycheproofSha256 from "../../vectors/wycheproof-pbkdf2-sha256.json";

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

/** Every stored hash with its password; only Django's own negatives do not match. */
const ALL = [
  ...django.cases,
  ...more.cases,
  ...formats.cases.map((each, index) => ({ ...each, id: `format-${index}`, note: each.case, valid: true })),
];

describe("HASH-01, HASH-02: every Django vector verifies with PBKDF2 capped at 100,000", () => {
  test.for(ALL.map((each) => [`${each.id} ${each.note}`, each] as const))(
    "%s",
    async ([, { password, encoded, valid }]) => {
      expect((await verifyPassword(password, encoded)).matches).toBe(valid);
      if (!valid) return;
      const other = password.length > 72 ? `x${password}` : `${password} `;
      expect((await verifyPassword(other, encoded)).matches).toBe(false);
    },
  );

  test("all of them are there, of every format", () => {
    expect(ALL).toHaveLength(73);
    expect(new Set(ALL.map(({ encoded }) => parsePasswordHash(encoded).algorithm))).toEqual(
      new Set(
        ["pbkdf2_sha256", "pbkdf2_sha1", "scrypt", "argon2", "bcrypt", "bcrypt_sha256", "md5", "sha1"].concat(
          "unusable",
        ),
      ),
    );
  });
});

describe("HASH-01: what people of a Django table type is what matches", () => {
  const rows = djangoTable.users.map((row) => ({ ...row, work: parsePasswordHash(row.encoded).algorithm }));
  const known = rows.filter(({ work }) => work !== "unusable" && work !== "unsupported");

  test.for(known.map((row) => [row.case, row] as const))(
    "%s",
    async ([, { password, encoded, wrong, work }]) => {
      expect(await verifyPassword(password, encoded)).toEqual({ matches: true, needsRehash: true, work });
      for (const other of wrong) {
        expect(await verifyPassword(other, encoded)).toEqual({ matches: false, needsRehash: false, work });
      }
    },
  );
});

test.for([
  ["pbkdf2_sha256", wycheproofSha256, 32, 60],
  ["pbkdf2_sha1", wycheproofSha1, 20, 63],
] as const)(
  "HASH-01: every Wycheproof vector of %s within the ceiling gives its first bytes",
  async ([name, { testGroups }, digestLength, count]) => {
    const vectors = testGroups
      .flatMap((group) => group.tests)
      .filter(({ iterationCount }) => iterationCount <= PBKDF2_ITERATIONS_MAX);
    expect(vectors).toHaveLength(count);
    for (const { tcId, password, salt, iterationCount, dk } of vectors) {
      const derived = await pbkdf2(name, fromHex(password), fromHex(salt), iterationCount);
      const expected = fromHex(dk).slice(0, digestLength);
      expect(derived.slice(0, expected.length), `tcId ${tcId}`).toEqual(expected);
    }
  },
);

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
    `scrypt$1048576$salt$8$1$${"A".repeat(86)}==`,
    `scrypt$16383$salt$8$1$${"A".repeat(86)}==`,
    "bcrypt$$2b$31$A32Id1Ue3GqL6mSUrm.QMusbb5/oDLXmRsRSNIxOIFMXx69Lx8o4y",
    "bcrypt$$2x$05$A32Id1Ue3GqL6mSUrm.QMusbb5/oDLXmRsRSNIxOIFMXx69Lx8o4y",
    "md5$salt$287e",
    "sha1$$",
    "crypt$$ab1Hv2Lg7ltQo",
    "__proto__$a$b",
  ])("%s", async (encoded) => {
    expect(await verifyPassword("Sunday-morning-tea-9", encoded)).toEqual(DECOY);
  });
});

describe("bcrypt looks at 72 bytes of a password and ends it with a NUL", () => {
  const cut = more.cases.find(({ note }) => note === "2b, cut at 72 bytes");
  const short = more.cases.find(({ algorithm, note }) => algorithm === "bcrypt" && note === "2b");

  test("HASH-03: what lies behind them counts from the first login on", async () => {
    const { password = "", encoded = "" } = cut ?? {};
    const sameStart = `${password.slice(0, 72)} and another end`;
    expect(await verifyPassword(sameStart, encoded)).toEqual({
      matches: true,
      needsRehash: true,
      work: "bcrypt",
    });
    const renewed = await hashPassword(password, randomBytes);
    expect((await verifyPassword(password, renewed)).matches).toBe(true);
    expect((await verifyPassword(sameStart, renewed)).matches).toBe(false);
  });

  test("PWD-04: the password, a NUL and the password again is not the password", async () => {
    const { password = "", encoded = "" } = short ?? {};
    expect((await verifyPassword(password, encoded)).matches).toBe(true);
    for (const other of [`${password}\0`, `${password}\0${password}`]) {
      expect((await verifyPassword(other, encoded)).matches).toBe(false);
    }
  });
});

test("HASH-06: md5 and sha1 never outlive a login", async () => {
  const weak = more.cases.filter(({ algorithm }) => algorithm === "md5" || algorithm === "sha1");
  expect(weak).toHaveLength(7);
  for (const { password, encoded } of weak) {
    expect(await verifyPassword(password, encoded)).toMatchObject({ matches: true, needsRehash: true });
  }
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
