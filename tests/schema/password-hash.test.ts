import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ARGON2_LANES_MAX,
  ARGON2_PASSES_MAX,
  ARGON2_WORK_MAX,
  BCRYPT_COST_MAX,
  ENCODED_LENGTH_MAX,
  MEMORY_KIB_MAX,
  PBKDF2_ITERATIONS_MAX,
  parsePasswordHash,
  SALT_LENGTH_MAX,
  SCRYPT_WORK_MAX,
} from "../../schema/password-hash.ts";
import vectors from "../vectors/django-hashes.json";
import more from "../vectors/django-hashes-more.json";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

const DIGEST = "/ZlluufbqfUX3UEUdKkEFQ0RC34PdVlZfsc0diWPBUc=";
const pbkdf2 = (iterations: number | string, salt = "cPAmSPECmvCPY2ZxoVuWD5", digest = DIGEST) =>
  `pbkdf2_sha256$${iterations}$${salt}$${digest}`;

const ARGON2_SALT = "RnNNcXg1V2M1TEQwaGJOMHV3YllFVw";
const ARGON2_DIGEST = "fVHeyZaX4Bgb23iUdChK0Bef7ZTNfd1DPKLYeUAbqhs";
const argon2 = (costs: string, salt = ARGON2_SALT, digest = ARGON2_DIGEST) =>
  `argon2$argon2id$v=19$${costs}$${salt}$${digest}`;

const unsupported = (reason: string) => ({ algorithm: "unsupported", reason });

describe("pbkdf2_sha256", () => {
  test("HASH-01: iterations, salt as text and 32 bytes of digest are read", () => {
    expect(parsePasswordHash(pbkdf2(260_000))).toEqual({
      algorithm: "pbkdf2_sha256",
      iterations: 260_000,
      salt: "cPAmSPECmvCPY2ZxoVuWD5",
      digest: Uint8Array.from(atob(DIGEST), (character) => character.charCodeAt(0)),
    });
  });

  test("HASH-01: 1 and 2,000,000 iterations are read, and a salt of any printable ASCII", () => {
    expect(parsePasswordHash(pbkdf2(1))).toMatchObject({ iterations: 1 });
    expect(parsePasswordHash(pbkdf2(PBKDF2_ITERATIONS_MAX))).toMatchObject({ iterations: 2_000_000 });
    const salt = " sea salt+/=,~";
    expect(parsePasswordHash(pbkdf2(1, salt))).toMatchObject({ algorithm: "pbkdf2_sha256", salt });
    const longest = "s".repeat(SALT_LENGTH_MAX);
    expect(parsePasswordHash(pbkdf2(1, longest))).toMatchObject({ salt: longest });
  });

  test("HASH-04: more than 2,000,000 iterations are above the ceiling", () => {
    expect(parsePasswordHash(pbkdf2(2_000_001))).toEqual(unsupported("cost above the ceiling"));
    expect(parsePasswordHash(pbkdf2(999_999_999))).toEqual(unsupported("cost above the ceiling"));
  });

  test.for([
    ["no iterations", pbkdf2("")],
    ["zero iterations", pbkdf2("0")],
    ["leading zero", pbkdf2("0260000")],
    ["sign", pbkdf2("+260000")],
    ["negative", pbkdf2("-1")],
    ["fraction", pbkdf2("1.0")],
    ["exponent", pbkdf2("1e5")],
    ["hexadecimal", pbkdf2("0x10")],
    ["space", pbkdf2(" 260000")],
    ["Arabic-Indic digits", pbkdf2("٢٦٠٠٠٠")],
    ["twenty digits", pbkdf2("99999999999999999999")],
    ["no salt", pbkdf2(1, "")],
    ["salt too long", pbkdf2(1, "s".repeat(SALT_LENGTH_MAX + 1))],
    ["salt not ASCII", pbkdf2(1, "señal")],
    ["salt with a control character", pbkdf2(1, "sea\nsalt")],
    ["no digest", pbkdf2(1, "salt", "")],
    ["digest without padding", pbkdf2(1, "salt", DIGEST.slice(0, -1))],
    ["digest with white space", pbkdf2(1, "salt", `${DIGEST}\n`)],
    ["digest in base64url", pbkdf2(1, "salt", DIGEST.replace("/", "_"))],
    ["digest of 31 bytes", pbkdf2(1, "salt", btoa("x".repeat(31)))],
    ["digest of 33 bytes", pbkdf2(1, "salt", btoa("x".repeat(33)))],
    ["stray bits in the last character", pbkdf2(1, "salt", DIGEST.replace("c=", "d="))],
    ["not base64", pbkdf2(1, "salt", "ł".repeat(44))],
    ["field missing", "pbkdf2_sha256$260000$salt"],
    ["field too many", `${pbkdf2(1)}$`],
    ["name alone", "pbkdf2_sha256"],
  ])("HASH-04: malformed: %s", ([, encoded]) => {
    expect(parsePasswordHash(encoded ?? "")).toEqual(unsupported("malformed"));
  });
});

describe("argon2", () => {
  test("HASH-01: costs, salt and digest are read", () => {
    expect(parsePasswordHash(argon2("m=19456,t=2,p=1"))).toMatchObject({
      algorithm: "argon2",
      memoryKib: 19_456,
      passes: 2,
      lanes: 1,
      salt: new TextEncoder().encode("FsMqx5Wc5LD0hbN0uwbYEW"),
    });
  });

  test("HASH-01: the costs that RFC 9106 and OWASP recommend within 64 MiB are read", () => {
    for (const costs of ["m=65536,t=3,p=4", "m=47104,t=1,p=1", "m=12288,t=3,p=1", "m=7168,t=5,p=1"]) {
      expect(parsePasswordHash(argon2(costs))).toMatchObject({ algorithm: "argon2" });
    }
  });

  test.for([
    `m=${MEMORY_KIB_MAX + 1},t=1,p=1`,
    `m=19456,t=${ARGON2_PASSES_MAX + 1},p=1`,
    `m=19456,t=2,p=${ARGON2_LANES_MAX + 1}`,
    `m=${MEMORY_KIB_MAX},t=${ARGON2_WORK_MAX / MEMORY_KIB_MAX + 1},p=1`,
    "m=102400,t=2,p=8",
    "m=999999999,t=999999999,p=1",
  ])("HASH-04: above the ceiling: %s", (costs) => {
    expect(parsePasswordHash(argon2(costs))).toEqual(unsupported("cost above the ceiling"));
  });

  test.for([
    argon2("m=0,t=2,p=1"),
    argon2("m=19456,t=0,p=1"),
    argon2("m=19456,t=2,p=0"),
    argon2("m=15,t=2,p=2"),
    argon2("m=019456,t=2,p=1"),
    argon2("t=2,m=19456,p=1"),
    argon2("m=19456,t=2,p=1,keyid=AA"),
    argon2("m=9999999999,t=2,p=1"),
    argon2(""),
    argon2("m=19456,t=2,p=1", "c2FsdA"),
    argon2("m=19456,t=2,p=1", `${ARGON2_SALT}==`),
    argon2("m=19456,t=2,p=1", ""),
    argon2("m=19456,t=2,p=1", ARGON2_SALT, "fVHeyZaX"),
    argon2("m=19456,t=2,p=1", ARGON2_SALT, `${ARGON2_DIGEST}=`),
    argon2("m=19456,t=2,p=1", ARGON2_SALT, ""),
    `${argon2("m=19456,t=2,p=1")}$`,
    "argon2$argon2id$v=19",
  ])("HASH-04: malformed: %s", (encoded) => {
    expect(parsePasswordHash(encoded)).toEqual(unsupported("malformed"));
  });

  test("HASH-01: all types and both versions are read, version 16 without its number too", () => {
    for (const type of ["argon2id", "argon2i", "argon2d"]) {
      const rest = `m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`;
      expect(parsePasswordHash(`argon2$${type}$v=19$${rest}`)).toMatchObject({ type, version: 19 });
      expect(parsePasswordHash(`argon2$${type}$v=16$${rest}`)).toMatchObject({ type, version: 16 });
      expect(parsePasswordHash(`argon2$${type}$${rest}`)).toMatchObject({ type, version: 16 });
    }
  });

  test.for([
    `argon2$argon2id$v=18$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`,
    `argon2$argon2x$v=19$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`,
    `argon2$$v=19$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`,
    "argon2$argon2id$v=constructor$m=512,t=2,p=2$a$b",
  ])("HASH-04: another type or version: %s", (encoded) => {
    expect(parsePasswordHash(encoded)).toEqual(unsupported("unknown algorithm"));
  });
});

describe("pbkdf2_sha1", () => {
  const sha1 = (iterations: number, digest = "HcykVWxp9iiyel1J8o2Lz87bduQ=") =>
    `pbkdf2_sha1$${iterations}$0iHMA88kdpYdAYI9vQvWPx$${digest}`;

  test("HASH-01: like pbkdf2_sha256, with 20 bytes of digest", () => {
    expect(parsePasswordHash(sha1(260_000))).toMatchObject({ algorithm: "pbkdf2_sha1", iterations: 260_000 });
    expect(parsePasswordHash(sha1(2_000_000))).toMatchObject({ algorithm: "pbkdf2_sha1" });
    expect(parsePasswordHash(sha1(2_000_001))).toEqual(unsupported("cost above the ceiling"));
    expect(parsePasswordHash(sha1(1, DIGEST))).toEqual(unsupported("malformed"));
  });
});

describe("scrypt", () => {
  const digest = "A".repeat(86).concat("==");
  const scrypt = (
    cost: number | string,
    r: number | string,
    p: number | string,
    salt = "salt",
    text = digest,
  ) => `scrypt$${cost}$${salt}$${r}$${p}$${text}`;

  test("HASH-01: costs, salt as text and 64 bytes of digest are read", () => {
    expect(parsePasswordHash(scrypt(16_384, 8, 5))).toEqual({
      algorithm: "scrypt",
      cost: 16_384,
      blockSize: 8,
      parallelization: 5,
      salt: "salt",
      digest: new Uint8Array(64),
    });
  });

  test.for([
    [65_536, 8, 2],
    [2, 1, 1],
    [32_768, 1, 32],
    [4_096, 32, 8],
  ] as const)("HASH-01: within the ceilings: N=%i r=%i p=%i", ([cost, r, p]) => {
    expect(parsePasswordHash(scrypt(cost, r, p))).toMatchObject({ algorithm: "scrypt" });
  });

  test.for([
    [131_072, 8, 1],
    [65_536, 8, 3],
    [2, 33, 1],
    [2, 1, 33],
    [536_870_912, 1, 1],
    [2, 999_999_999, 999_999_999],
  ] as const)("HASH-04: above the ceiling: N=%i r=%i p=%i", ([cost, r, p]) => {
    expect(parsePasswordHash(scrypt(cost, r, p))).toEqual(unsupported("cost above the ceiling"));
  });

  test.for([
    scrypt(0, 8, 5),
    scrypt(1, 8, 5),
    scrypt(16_383, 8, 5),
    scrypt("016384", 8, 5),
    scrypt(16_384, 0, 5),
    scrypt(16_384, 8, "x"),
    scrypt(16_384, 8, 5, ""),
    scrypt(16_384, 8, 5, "señal"),
    scrypt(16_384, 8, 5, "salt", DIGEST),
    `${scrypt(16_384, 8, 5)}$`,
    "scrypt",
  ])("HASH-04: malformed: %s", (encoded) => {
    expect(parsePasswordHash(encoded)).toEqual(unsupported("malformed"));
  });
});

describe("bcrypt and bcrypt_sha256", () => {
  const text = "eOV/xtuYDhjDJp2qADPVMebIoiCNbrXV574o3sqYIEXHSJA0bwFcS";
  const bcrypt = (cost: string, variant = "2b", rest = text) => `$$${variant}$${cost}$${rest}`;

  test.for(["bcrypt", "bcrypt_sha256"])("HASH-01: %s: cost, salt and digest are read", (algorithm) => {
    for (const variant of ["2a", "2b", "2y"]) {
      const hash = parsePasswordHash(algorithm + bcrypt("10", variant));
      expect(hash).toMatchObject({ algorithm, cost: 10 });
      if (hash.algorithm !== "bcrypt" && hash.algorithm !== "bcrypt_sha256") throw new Error("not bcrypt");
      expect([hash.salt.length, hash.digest.length]).toEqual([16, 23]);
    }
  });

  test("HASH-04: 4 to 14 are costs, more are above the ceiling and fewer are none", () => {
    expect(parsePasswordHash(`bcrypt${bcrypt("04")}`)).toMatchObject({ cost: 4 });
    expect(parsePasswordHash(`bcrypt${bcrypt("14")}`)).toMatchObject({ cost: 14 });
    for (const cost of ["15", "31", "99"]) {
      expect(parsePasswordHash(`bcrypt${bcrypt(cost)}`)).toEqual(unsupported("cost above the ceiling"));
    }
    for (const cost of ["00", "03", "4", "010", "", "1e1", "-4"]) {
      expect(parsePasswordHash(`bcrypt${bcrypt(cost)}`)).toEqual(unsupported("malformed"));
    }
  });

  test("HASH-04: another variant is unknown", () => {
    for (const variant of ["2", "2x", "", "5"]) {
      expect(parsePasswordHash(`bcrypt${bcrypt("10", variant)}`)).toEqual(unsupported("unknown algorithm"));
    }
  });

  test.for([
    bcrypt("10", "2b", ""),
    bcrypt("10", "2b", text.slice(1)),
    bcrypt("10", "2b", `${text}.`),
    bcrypt("10", "2b", text.replace("/", "+")),
    bcrypt("10", "2b", `${text.slice(0, 21)}A${text.slice(22)}`),
    bcrypt("10", "2b", `${text.slice(0, -1)}T`),
    bcrypt("10").slice(1),
    `${bcrypt("10")}$`,
    "",
  ])("HASH-04: malformed: %s", (rest) => {
    expect(parsePasswordHash(`bcrypt${rest}`)).toEqual(unsupported("malformed"));
  });
});

describe("md5 and sha1", () => {
  const MD5 = "287e86631e16cebaf7a70af44b49d98d";
  const SHA1 = "d9c3fe735ffba20ce619c4d67825e41d662d0f8d";

  test("HASH-01: with a salt, with an empty one, and md5 as its bare digest", () => {
    expect(parsePasswordHash(`md5$salt$${MD5}`)).toMatchObject({ algorithm: "md5", salt: "salt" });
    expect(parsePasswordHash(`md5$$${MD5}`)).toMatchObject({ algorithm: "md5", salt: "" });
    expect(parsePasswordHash(MD5)).toMatchObject({ algorithm: "md5", salt: "" });
    expect(parsePasswordHash(`sha1$salt$${SHA1}`)).toMatchObject({ algorithm: "sha1", salt: "salt" });
    expect(parsePasswordHash(`sha1$$${SHA1}`)).toMatchObject({
      algorithm: "sha1",
      salt: "",
      digest: Uint8Array.from(SHA1.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)),
    });
  });

  test.for([
    `md5$salt$${MD5.toUpperCase()}`,
    `md5$salt$${SHA1}`,
    `sha1$salt$${MD5}`,
    `sha1$señal$${SHA1}`,
    `sha1$${"s".repeat(SALT_LENGTH_MAX + 1)}$${SHA1}`,
    `md5$salt$${MD5.replace("2", "g")}`,
    `md5$salt$${MD5}$`,
    MD5.toUpperCase(),
    "md5",
    "sha1$$",
  ])("HASH-04: malformed: %s", (encoded) => {
    expect(parsePasswordHash(encoded)).toEqual(unsupported("malformed"));
  });
});

test("HASH-05: a leading exclamation mark is unusable, whatever follows", () => {
  for (const encoded of ["!", "!tsNULyTnY8AaI91umg6LRu9RVwse8z8WhACoMoop", `!${pbkdf2(1)}`]) {
    expect(parsePasswordHash(encoded)).toEqual({ algorithm: "unusable" });
  }
});

test("HASH-04: anything else is an unknown algorithm or malformed, and nothing throws", () => {
  for (const encoded of [
    "",
    "$",
    "plain text",
    "crypt$$ab1Hv2Lg7ltQo",
    "constructor$a$b",
    "__proto__",
    " pbkdf2_sha256$1$s$d",
    "PBKDF2_SHA256$1$s$d",
  ]) {
    expect(parsePasswordHash(encoded)).toEqual(unsupported("unknown algorithm"));
  }
  expect(parsePasswordHash("x".repeat(ENCODED_LENGTH_MAX + 1))).toEqual(unsupported("malformed"));
  expect(parsePasswordHash("pbkdf2_sha256$1$\ud800$\udfff")).toEqual(unsupported("malformed"));
});

const ALGORITHMS = [
  ...[
    "argon2",
    "bcrypt",
    "bcrypt_sha256",
    "md5",
    "pbkdf2_sha1",
    "pbkdf2_sha256",
    "scrypt",
    "sha1",
    "unusable",
  ],
];

test("HASH-01: every Django vector is read as its algorithm", () => {
  const cases = [...vectors.cases, ...more.cases].filter(({ algorithm }) => algorithm !== "negative");
  expect(new Set(cases.map(({ algorithm }) => algorithm))).toEqual(new Set(ALGORITHMS));
  for (const { algorithm, encoded } of cases) expect(parsePasswordHash(encoded)).toMatchObject({ algorithm });
});

describe(`HASH-04: whatever is stored, seed ${SEED}`, () => {
  const name = fc.constantFrom(...ALGORITHMS, "argon2$argon2id$v=19", "bcrypt$$2b", "bcrypt$");
  const number = fc.oneof(fc.nat(), fc.bigInt(), fc.double(), fc.constantFrom("", "01", "1e9", "٢", "-0"));
  const field = fc.oneof(
    fc.string({ unit: "binary" }),
    number.map(String),
    fc.base64String(),
    fc.constantFrom(DIGEST),
  );
  const encodings = fc
    .tuple(name, fc.array(field, { maxLength: 6 }))
    .map(([first, rest]) => [first, ...rest].join("$"));
  const anything = fc.oneof(encodings, fc.string({ unit: "binary", maxLength: 3_000 }));
  const damaged = fc
    .tuple(fc.constantFrom(...vectors.cases, ...more.cases), fc.nat(), fc.string({ maxLength: 2 }))
    .map(
      ([{ encoded }, at, text]) =>
        encoded.slice(0, at % encoded.length) + text + encoded.slice((at % encoded.length) + 1),
    );

  test("it is one of the kinds, never an error, and no cost is beyond its ceiling", () => {
    const property = fc.property(fc.oneof(anything, damaged), (encoded) => {
      const hash = parsePasswordHash(encoded);
      if (hash.algorithm === "argon2")
        expect(hash.memoryKib * hash.passes).toBeLessThanOrEqual(ARGON2_WORK_MAX);
      else if (hash.algorithm === "bcrypt" || hash.algorithm === "bcrypt_sha256")
        expect(hash.cost).toBeLessThanOrEqual(BCRYPT_COST_MAX);
      else if (hash.algorithm === "scrypt")
        expect(hash.cost * hash.blockSize * hash.parallelization).toBeLessThanOrEqual(SCRYPT_WORK_MAX);
      else if ("iterations" in hash) expect(hash.iterations).toBeLessThanOrEqual(PBKDF2_ITERATIONS_MAX);
      else expect(ALGORITHMS.concat("unsupported")).toContain(hash.algorithm);
    });
    fc.assert(property, { seed: SEED, numRuns: 5_000 });
  });
});
