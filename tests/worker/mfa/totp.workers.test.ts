import { describe, expect, it } from "vitest";
import { newRecoveryCodes, recoveryDigest } from "../../../worker/mfa/recovery-codes.ts";
import { shownSecret, stepOfCode } from "../../../worker/mfa/totp.ts";

/** RFC 6238 appendix B, SHA-1: time in seconds, and the last six of its eight digits. */
const VECTORS: [number, string][] = [
  [59, "287082"],
  [1_111_111_109, "081804"],
  [1_111_111_111, "050471"],
  [1_234_567_890, "005924"],
  [2_000_000_000, "279037"],
  [20_000_000_000, "353130"],
];
const SECRET = new TextEncoder().encode("12345678901234567890");

describe("time-based one-time passwords", () => {
  it.each(VECTORS)("RFC 6238 appendix B: at %d s the code is %s", (now, code) => {
    expect(stepOfCode(SECRET, code, now)).toBe(Math.floor(now / 30));
  });

  it("RFC 6238 §5.2: one step before and after, and no further", () => {
    const step = Math.floor(1_234_567_890 / 30);
    for (const [steps, found] of [
      [-2, null],
      [-1, step],
      [0, step],
      [1, step],
      [2, null],
    ] as const) {
      expect(stepOfCode(SECRET, "005924", (step + steps) * 30), `${steps} steps late`).toBe(found);
    }
    expect(stepOfCode(SECRET, "005924", (step + 2) * 30 - 1), "to the second").toBe(step);
    expect(stepOfCode(SECRET, "005924", (step - 1) * 30 - 1)).toBeNull();
  });

  it("spaces count for nothing; anything but six digits is no code", () => {
    expect(stepOfCode(SECRET, " 287 082 ", 59)).toBe(1);
    for (const typed of ["", "28708", "94287082", "28708２", "-87082", "0x1234", "28708a", "287.82"]) {
      expect(stepOfCode(SECRET, typed, 59), typed).toBeNull();
    }
  });

  it("an authenticator is told issuer and account, whatever characters they have", () => {
    const { secret, otpauth_url } = shownSecret(SECRET, { issuer: "id.example.com", account: "ä@b+c:d" });
    expect(secret).toBe("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    const url = new URL(otpauth_url);
    expect(url.protocol).toBe("otpauth:");
    expect(decodeURIComponent(url.pathname)).toContain("id.example.com:ä@b+c:d");
    expect(Object.fromEntries(url.searchParams)).toEqual({
      issuer: "id.example.com",
      secret,
      algorithm: "SHA1",
      digits: "6",
      period: "30",
    });
  });
});

describe("recovery codes", () => {
  it("ASVS 6.5.2: ten of 120 bits each, all different, in letters that cannot be confused", () => {
    const codes = newRecoveryCodes();
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}$/);
  });

  it("case, dashes, spaces and look-alikes count for nothing", async () => {
    const digest = await recoveryDigest("0123-4567-89AB-CDEF-GHJK-MN11");
    expect(digest).toMatch(/^[\w-]{43}$/);
    for (const typed of [
      "0123456789abcdefghjkmn11",
      " o123 4567 89ab cdef ghjk mnIl ",
      "O123-4567-89AB-CDEF-GHJK-MNli",
    ]) {
      expect(await recoveryDigest(typed), typed).toBe(digest);
    }
    for (const typed of ["", "123456", "0123-4567-89AB-CDEF-GHJK-MN1", "0123-4567-89AB-CDEF-GHJK-MN1U"]) {
      expect(await recoveryDigest(typed), typed).toBeNull();
    }
  });
});
