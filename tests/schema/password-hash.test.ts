import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ARGON2_LANES_MAX,
  ARGON2_MEMORY_KIB_MAX,
  ARGON2_PASSES_MAX,
  ARGON2_WORK_MAX,
  ENCODED_LENGTH_MAX,
  PBKDF2_ITERATIONS_MAX,
  PBKDF2_SALT_LENGTH_MAX,
  parsePasswordHash,
} from "../../schema/password-hash.ts";
import vectors from "../vectors/django-hashes.json";

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
    const longest = "s".repeat(PBKDF2_SALT_LENGTH_MAX);
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
    ["salt too long", pbkdf2(1, "s".repeat(PBKDF2_SALT_LENGTH_MAX + 1))],
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
    `m=${ARGON2_MEMORY_KIB_MAX + 1},t=1,p=1`,
    `m=19456,t=${ARGON2_PASSES_MAX + 1},p=1`,
    `m=19456,t=2,p=${ARGON2_LANES_MAX + 1}`,
    `m=${ARGON2_MEMORY_KIB_MAX},t=${ARGON2_WORK_MAX / ARGON2_MEMORY_KIB_MAX + 1},p=1`,
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

  test.for([
    [`argon2$argon2i$v=19$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`, "argon2i", 19],
    [`argon2$argon2d$v=19$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`, "argon2d", 19],
    [`argon2$argon2id$v=16$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`, "argon2id", 16],
    [`argon2$argon2i$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`, "argon2i", 16],
  ] as const)("HASH-01: another type or version: %s", ([encoded, type, version]) => {
    expect(parsePasswordHash(encoded)).toMatchObject({ algorithm: "argon2", type, version });
  });

  test.for([
    `argon2$argon2x$v=19$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`,
    `argon2$argon2id$v=18$m=512,t=2,p=2$${ARGON2_SALT}$${ARGON2_DIGEST}`,
    "argon2",
  ])("HASH-04: a type or version that never was: %s", (encoded) => {
    expect(parsePasswordHash(encoded)).toEqual(unsupported("unknown algorithm"));
  });
});

test("HASH-05: a leading exclamation mark is unusable, whatever follows", () => {
  for (const encoded of ["!", "!tsNULyTnY8AaI91umg6LRu9RVwse8z8WhACoMoop", `!${pbkdf2(1)}`]) {
    expect(parsePasswordHash(encoded)).toEqual({ algorithm: "unusable" });
  }
});

test("HASH-04: anything else is an unknown algorithm or malformed, and nothing throws", () => {
  for (const encoded of ["", "$", "plain text", " pbkdf2_sha256$1$s$d", "PBKDF2_SHA256$1$s$d"]) {
    expect(parsePasswordHash(encoded)).toEqual(unsupported("unknown algorithm"));
  }
  expect(parsePasswordHash("x".repeat(ENCODED_LENGTH_MAX + 1))).toEqual(unsupported("malformed"));
  expect(parsePasswordHash("pbkdf2_sha256$1$\ud800$\udfff")).toEqual(unsupported("malformed"));
});

const SCRYPT_DIGEST = btoa("d".repeat(64));
const BCRYPT_TAIL = "abcdefghijklmnopqrstuuU7E98dpXptO7l2LuaovSr1gajHaBi6m";

test.for([
  ["pbkdf2_sha1$1000001$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "cost above the ceiling"],
  ["pbkdf2_sha1$1000$salt$AAAA", "malformed"],
  [`scrypt$16384$salt$8$9$${SCRYPT_DIGEST}`, "cost above the ceiling"],
  [`scrypt$65536$salt$8$1$${SCRYPT_DIGEST}`, "cost above the ceiling"],
  [`scrypt$16383$salt$8$1$${SCRYPT_DIGEST}`, "malformed"],
  [`scrypt$1$salt$8$1$${SCRYPT_DIGEST}`, "malformed"],
  ["scrypt$16384$salt$8$1$AAAA", "malformed"],
  ["scrypt$16384$salt$8", "malformed"],
  [`bcrypt$$2b$15$${BCRYPT_TAIL}`, "cost above the ceiling"],
  [`bcrypt$$2b$03$${BCRYPT_TAIL}`, "malformed"],
  [`bcrypt$$2b$32$${BCRYPT_TAIL}`, "malformed"],
  [`bcrypt$2b$12$${BCRYPT_TAIL}`, "malformed"],
  [`bcrypt_sha256$$2b$12$${BCRYPT_TAIL}x`, "malformed"],
  ["md5$salt$digest", "malformed"],
  ["md5$salt$F8AF5DA69CC1C2B97F95E3EFBD069F17", "malformed"],
  ["sha1$$f8af5da69cc1c2b97f95e3efbd069f17", "malformed"],
  ["F8AF5DA69CC1C2B97F95E3EFBD069F17", "unknown algorithm"],
] as const)("HASH-04: %s is %s", ([encoded, reason]) => {
  expect(parsePasswordHash(encoded)).toEqual(unsupported(reason));
});

test("HASH-04: whatever is stored under a known name, parsing gives a value and never throws", () => {
  const name = fc.constantFrom("pbkdf2_sha1", "scrypt", "bcrypt", "bcrypt_sha256", "md5", "sha1", "argon2");
  const field = fc.oneof(fc.string({ maxLength: 40 }), fc.nat().map(String), fc.constant(""));
  fc.assert(
    fc.property(name, fc.array(field, { maxLength: 7 }), (algorithm, fields) => {
      const read = parsePasswordHash([algorithm, ...fields].join("$")).algorithm;
      expect([algorithm, "unsupported"]).toContain(read);
    }),
  );
});

test("HASH-01: every Django vector is read as its algorithm", () => {
  const cases = vectors.cases.filter(({ algorithm }) => algorithm !== "negative");
  for (const { algorithm, encoded } of cases) expect(parsePasswordHash(encoded)).toMatchObject({ algorithm });
});
