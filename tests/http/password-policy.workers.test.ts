/** Which passwords a new account may have, as its owner is told. */
import { describe, expect, test } from "vitest";
import { commonPasswords } from "../../worker/passwords/common.ts";
import { ask, unique, uniqueAddress } from "../support/client.ts";

async function register(password: string, more: object = {}) {
  // Without digits, which a password of digits could be too similar to.
  const username = unique("policy").replace(/\d/g, (digit) => String.fromCharCode(97 + Number(digit)));
  const body = { username, password, password2: password, ...more };
  const response = await ask("/api/accounts/register", { body, address: uniqueAddress() });
  return { status: response.status, text: response.text };
}

const COMMON = "This password is too common.";

describe("PWD-07: a weak password is refused with every reason, and not repeated", () => {
  test.for<[string, string[]]>([
    [
      "123",
      [
        "This password is too short. It must contain at least 8 characters.",
        "This password is entirely numeric.",
      ],
    ],
    ["PaSsWoRd", [COMMON]],
    ["Trustno1", [COMMON]],
    ["QWERTYUIOP", [COMMON]],
    ["1qaz1qaz", [COMMON]],
    ["        ", [COMMON]],
    ["83019475620", ["This password is entirely numeric."]],
    ["x".repeat(1_025), ["This password is too long. It must not exceed 1,024 bytes."]],
  ])("%s", async ([password, details]) => {
    const { status, text } = await register(password);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ code: "weak_password", details });
    expect(JSON.parse(text).error).toBe("Password does not meet security requirements");
    expect(JSON.stringify(JSON.parse(text).details)).not.toContain(password);
  });

  test("similar to the user name, or to the e-mail", async () => {
    const email = `${unique("harbour")}@example.org`;
    const { text } = await register(`${email.split("@")[0]}!`, { email });
    expect(JSON.parse(text).details).toEqual(["This password is too similar to the email address."]);
  });
});

test.for([12345678, true, ["a quiet harbour 27"], { length: 20 }])(
  "PWD-06: %j is no password, and is not taken for one",
  async (password) => {
    const body = { username: unique("policy"), password, password2: password };
    const answer = await ask("/api/accounts/register", { body, address: uniqueAddress() });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_request" } });
  },
);

test("PWD-01, PWD-02: eight characters of one kind, 1,024 bytes and SecurePass123! are accepted", async () => {
  for (const password of ["SecurePass123!", "zvkqjxwy", "é".repeat(512)]) {
    expect((await register(password)).status).toBe(201);
  }
});

test("PWD-03: a line of the list is a password of the list, a piece or two lines of it is not", () => {
  expect(commonPasswords()("letmein")).toBe(true);
  expect(commonPasswords()("123456")).toBe(true);
  expect(commonPasswords()("")).toBe(false);
  expect(commonPasswords()("correct horse battery staple")).toBe(false);
  expect(commonPasswords()("letmein\nletmein")).toBe(false);
});
