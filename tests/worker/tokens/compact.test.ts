import fc from "fast-check";
import { base64url } from "jose";
import { describe, expect, test } from "vitest";
import { isCompactJws } from "../../../worker/tokens/compact.ts";
import vectors from "../../vectors/wycheproof-jws-form.json";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEADER = "eyJhbGciOiJIUzI1NiJ9";
const PAYLOAD = "eyJzdWIiOiI3In0";
const SIGNATURE = "c1LROH7eNQwUT8KMVEO52VC3WZ9e_AnDWbZ7aMmowV8";
const TOKEN = `${HEADER}.${PAYLOAD}.${SIGNATURE}`;

const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const encode = (...parts: Uint8Array[]) => parts.map((part) => base64url.encode(part)).join(".");

describe("three parts", () => {
  test("TOK-06: a token is header, payload and signature", () => {
    expect(isCompactJws(TOKEN)).toBe(true);
    expect(isCompactJws("AA.AA.AA")).toBe(true);
  });

  test.for([
    ["nothing", ""],
    ["one part", HEADER],
    ["two parts", `${HEADER}.${PAYLOAD}`],
    ["four parts", `${TOKEN}.${SIGNATURE}`],
    ["five parts, as of a JWE", `${HEADER}.AA.AA.${PAYLOAD}.${SIGNATURE}`],
    ["no header", `.${PAYLOAD}.${SIGNATURE}`],
    ["no payload, as of a detached one", `${HEADER}..${SIGNATURE}`],
    ["no signature, as of alg none", `${HEADER}.${PAYLOAD}.`],
    ["dots alone", ".."],
    ["a dot before it", `.${TOKEN}`],
    ["a dot after it", `${TOKEN}.`],
    ["the JSON serialization", JSON.stringify({ protected: HEADER, payload: PAYLOAD, signature: SIGNATURE })],
    ["an API key", "sak_0123456789"],
  ])("TOK-06: %s is none", ([, token]) => {
    expect(isCompactJws(token ?? "")).toBe(false);
  });
});

describe("one spelling", () => {
  const PLACES: [string, (text: string) => string][] = [
    ["before the header", (text) => `${text}${TOKEN}`],
    ["after the header", (text) => `${HEADER}${text}.${PAYLOAD}.${SIGNATURE}`],
    ["before the payload", (text) => `${HEADER}.${text}${PAYLOAD}.${SIGNATURE}`],
    ["in the payload", (text) => `${HEADER}.eyJz${text}dWIiOiI3In0.${SIGNATURE}`],
    ["after the payload", (text) => `${HEADER}.${PAYLOAD}${text}.${SIGNATURE}`],
    ["before the signature", (text) => `${HEADER}.${PAYLOAD}.${text}${SIGNATURE}`],
    ["after the signature", (text) => `${TOKEN}${text}`],
  ];
  const STRAY = [
    "=",
    "==",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "+",
    "/",
    "%3D",
    "~",
    ",",
    "é",
    "Ａ",
    "\u200b",
    "\ud800",
  ];
  test.for(PLACES)("TOK-06: padding, white space and other alphabets are refused %s", ([, put]) => {
    for (const text of STRAY) expect(isCompactJws(put(text))).toBe(false);
  });

  test("TOK-06: a part of 4n + 1 characters encodes nothing", () => {
    for (const part of ["A", "AAAAA", "AAAAAAAAA"]) {
      expect(isCompactJws(`${part}.${PAYLOAD}.${SIGNATURE}`)).toBe(false);
      expect(isCompactJws(`${HEADER}.${part}.${SIGNATURE}`)).toBe(false);
      expect(isCompactJws(`${HEADER}.${PAYLOAD}.${part}`)).toBe(false);
    }
  });

  test("TOK-07: of the 64 last characters of a part of 4n + 2, those 4 with no stray bits are good", () => {
    const good = [...ALPHABET].filter((last) => isCompactJws(`${HEADER}.A${last}.${SIGNATURE}`));
    expect(good.join("")).toBe("AQgw");
  });

  test("TOK-07: of the 64 last characters of a part of 4n + 3, those 16 with no stray bits are good", () => {
    const good = [...ALPHABET].filter((last) => isCompactJws(`AA${last}.${PAYLOAD}.${SIGNATURE}`));
    expect(good.join("")).toBe("AEIMQUYcgkosw048");
  });

  test("TOK-07: every last character of a part of 4n is good: it has no bits to spare", () => {
    const good = [...ALPHABET].filter((last) => isCompactJws(`${HEADER}.AAA${last}.${SIGNATURE}`));
    expect(good).toHaveLength(64);
  });

  test("TOK-07: whatever three parts encode, their one spelling is good and no other with the same bytes is", () => {
    fc.assert(
      fc.property(
        bytes(1, 40),
        bytes(1, 40),
        bytes(1, 64),
        fc.nat({ max: 2 }),
        (header, payload, signature, at) => {
          const token = encode(header, payload, signature);
          expect(isCompactJws(token)).toBe(true);
          const parts = token.split(".");
          const part = parts[at] ?? "";
          for (const last of ALPHABET) {
            const other = part.slice(0, -1) + last;
            if (other === part || !sameBytes(other, part)) continue;
            expect(isCompactJws(parts.with(at, other).join("."))).toBe(false);
          }
          expect(isCompactJws(parts.with(at, `${part}=`).join("."))).toBe(false);
        },
      ),
    );
  });

  test("TOK-07: any text that is a token is the text that its own bytes encode to", () => {
    const text = fc.stringMatching(/^[A-Za-z0-9_-]{0,9}\.[A-Za-z0-9_=-]{0,9}\.[A-Za-z0-9_-]{0,9}$/);
    fc.assert(
      fc.property(text, (token) => {
        const parts = token.split(".");
        const isOwn = parts.every((part) => part !== "" && reencoded(part) === part);
        expect(isCompactJws(token)).toBe(isOwn);
      }),
    );
  });
});

describe("length", () => {
  const ofLength = (length: number) => `AA.AA.${"A".repeat(length - 6)}`;

  test("TOK-06: 8 KiB are read, one character more is not", () => {
    expect(isCompactJws(ofLength(8190))).toBe(true);
    expect(isCompactJws(ofLength(8192))).toBe(true);
    expect(isCompactJws(ofLength(8193))).toBe(false);
    expect(isCompactJws(ofLength(8194))).toBe(false);
    expect(isCompactJws(ofLength(1_000_000))).toBe(false);
  });
});

describe("Wycheproof", () => {
  test.for(vectors.compact)("RFC 7515 §7.1: $tcId $comment", ({ jws }) => {
    expect(isCompactJws(jws)).toBe(true);
  });

  test.for(vectors.notCompact)("RFC 7515 §7.1: $tcId $comment", ({ jws }) => {
    expect(isCompactJws(jws)).toBe(false);
  });
});

function sameBytes(one: string, other: string): boolean {
  return Buffer.from(one, "base64url").equals(Buffer.from(other, "base64url"));
}

function reencoded(part: string): string {
  return Buffer.from(part, "base64url").toString("base64url");
}
