import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { buildCommonPasswords, COMMON_PASSWORDS, djangos } from "../../../scripts/build-common-passwords.ts";
import { PASSWORD_BYTES_MAX } from "../../../worker/passwords/encode-password.ts";
import { passwordProblems } from "../../../worker/passwords/policy.ts";

const POLICY = { minLength: 8, isCommon: () => false };
const OWNER = { username: "marsh-4190", email: "quinn.keller@dev.example" };
const problems = (password: string) => passwordProblems(password, POLICY, OWNER);

test("PWD-02: no kind of character is asked for, and every kind is allowed", () => {
  for (const password of [
    "SecurePass123!",
    "correct horse battery staple",
    "zvkqjxwy",
    "pässwörd-é-9696",
    "密码密码密码密码",
    "  spaced out  ",
    "🦑🦑🦑🦑🦑🦑🦑🦑",
  ]) {
    expect(problems(password), password).toEqual([]);
  }
});

test("PWD-01: length is counted in code points", () => {
  expect(problems("🦑🦑🦑🦑")).toEqual([
    "This password is too short. It must contain at least 8 characters.",
  ]);
  expect(problems("sevenss")).toHaveLength(1);
  expect(problems("eightsss")).toEqual([]);
  expect(passwordProblems("fourteen chars", { ...POLICY, minLength: 15 }, OWNER)).toHaveLength(1);
});

test("PWD-01: 1,024 bytes are accepted and one more is not", () => {
  expect(problems("x".repeat(PASSWORD_BYTES_MAX))).toEqual([]);
  expect(problems("é".repeat(PASSWORD_BYTES_MAX / 2))).toEqual([]);
  const tooLong = ["This password is too long. It must not exceed 1,024 bytes."];
  expect(problems("x".repeat(PASSWORD_BYTES_MAX + 1))).toEqual(tooLong);
  expect(problems(`${"é".repeat(PASSWORD_BYTES_MAX / 2)}x`)).toEqual(tooLong);
});

test("PWD-04: a lone surrogate or a NUL is refused, not silently changed", () => {
  for (const password of ["enough length \ud800", "enough\0length"]) {
    expect(problems(password)).toEqual(["This password contains characters that cannot be used."]);
  }
});

test("PWD-03: digits alone are refused, in any script", () => {
  expect(problems("8301947562")).toEqual(["This password is entirely numeric."]);
  expect(problems("٨٣٠١٩٤٧٥٦٢")).toEqual(["This password is entirely numeric."]);
  expect(problems("8301947562a")).toEqual([]);
});

describe("PWD-03: similarity", () => {
  const username = "This password is too similar to the username.";
  const email = "This password is too similar to the email address.";

  test.for([
    ["marsh-4190", username],
    ["MARSH-4190", username],
    ["my-Marsh-4190-pw", username],
    ["arsh-4190", username],
    ["quinn.keller@dev.example", email],
    ["Quinn.Keller99", email],
    ["keller@dev", email],
  ] as const)("%s is refused", ([password, sentence]) => {
    expect(problems(password)).toEqual([sentence]);
  });

  test("a name of three characters, the e-mail's host and an absent e-mail refuse nothing", () => {
    expect(passwordProblems("sandcastle", POLICY, { username: "and", email: null })).toEqual([]);
    expect(passwordProblems("my dev.example word", POLICY, OWNER)).toEqual([]);
    expect(passwordProblems("some password", POLICY, { username: "", email: "" })).toEqual([]);
  });

  test("a user name that is an e-mail address counts without its host too", () => {
    const owner = { username: "ember9600@dev.example", email: null };
    expect(passwordProblems("ember9600-pw", POLICY, owner)).toEqual([username]);
  });
});

describe("PWD-03: similarity as Django measures it", () => {
  test.for([
    ["username", { username: "testclient", email: null }, "test1client", true],
    ["username", { username: "testclient", email: null }, "tneilctset", true],
    ["username", { username: "marsh", email: null }, "marshy12", true],
    ["username", { username: "ada-lovelace", email: null }, "lovelace1", true],
    ["email address", { username: "x", email: "q@dev.example" }, "example1", true],
    ["first name", { username: "x", email: null, firstName: "Jürgen" }, "JÜRGEN12", true],
    ["last name", { username: "x", email: null, lastName: "Lovelace" }, "lovelace", true],
    ["username", { username: "testclient", email: null }, "SecurePass123!", false],
    ["first name", { username: "x", email: null, firstName: "Ada", lastName: null }, "adamant shore", false],
    ["username", { username: "abcde", email: null }, "abczzzzz", false],
  ] as const)("%s %j and %s", ([attribute, owner, password, isRefused]) => {
    const sentence = `This password is too similar to the ${attribute}.`;
    expect(passwordProblems(password, POLICY, owner)).toEqual(isRefused ? [sentence] : []);
  });

  test("at 0.7 it is refused and right below it is not", () => {
    // Seven of ten characters in common, on both sides; then six of ten and seven of ten.
    const of = (name: string) => passwordProblems("abcdefg123", POLICY, { username: name, email: null });
    expect(of("xyzgfedcba")).toHaveLength(1);
    expect(of("wxyzfedcba")).toEqual([]);
  });
});

test("PWD-03: the list of common passwords is asked in lower case", () => {
  const policy = { minLength: 8, isCommon: (lowerCased: string) => lowerCased === "password1" };
  expect(passwordProblems("PassWord1", policy, OWNER)).toEqual(["This password is too common."]);
  expect(passwordProblems("PassWord2", policy, OWNER)).toEqual([]);
});

describe("PWD-03: what no list has to name", () => {
  test.for([
    "aaaaaaaa",
    "zzzzzzzz",
    "        ",
    "AaAaAaAaAa",
    "hahahaha",
    "asdasdasd",
    "1qaz1qaz",
    "lovelove",
    "abcdefgh",
    "ponmlkjih",
    "qwertyuiop",
    "poiuytrewq",
    "1234567890qwer",
    "!@#$%^&*",
    "azertyuiop",
    "a".repeat(32),
  ])("%s is too common", (password) => {
    expect(problems(password)).toEqual(["This password is too common."]);
  });

  test.for([
    "abcdefgi",
    "aaaaaaab",
    "qwertyuioq",
    "hahahaho",
    "a".repeat(33),
    "sevenseven seven",
    "abcdefgh!",
  ])("%s is for the list alone to judge", (password) => expect(problems(password)).toEqual([]));
});

describe("PWD-03: the checked-in list of common passwords", () => {
  const text = readFileSync(COMMON_PASSWORDS, "utf8");

  test("is what the two lists give", () => expect(text).toBe(buildCommonPasswords()));

  test("has at least 19,000 of them, in lower case and in lines that a search finds", () => {
    const lines = text.slice(1, -1).split("\n");
    expect(new Set(lines).size).toBeGreaterThanOrEqual(19_000);
    expect(lines.filter((line) => line === "" || line !== line.toLowerCase())).toEqual([]);
    expect(text.startsWith("\n") && text.endsWith("\n")).toBe(true);
  });

  test("has every one that Django refused, but for what is short or all digits", () => {
    const lines = new Set(text.split("\n"));
    expect(djangos().length).toBe(7928);
    expect(djangos().filter((each) => !lines.has(each))).toEqual([]);
  });
});

test("PWD-07: every reason is named, and none repeats the password", () => {
  expect(problems("123")).toEqual([
    "This password is too short. It must contain at least 8 characters.",
    "This password is entirely numeric.",
  ]);
  for (const password of ["123", "marsh-4190", "zq\0"])
    expect(problems(password).join()).not.toContain(password);
});
