/** Changing a password by the current one (contract §6, PWD-05, LCK-06). */
import { describe, expect, it } from "vitest";
import {
  type Answer,
  ask,
  login,
  PASSWORD,
  refresh,
  register,
  type SignedIn,
  signIn,
  uniqueAddress,
} from "../support/client.ts";
import { mailed } from "../support/mail.ts";

const NEW_PASSWORD = "another quiet harbour 28";

const change = (
  user: Pick<SignedIn, "access">,
  current_password: unknown,
  new_password: unknown,
): Promise<Answer> =>
  ask("/api/accounts/password/change", {
    body: { current_password, new_password },
    token: user.access,
    address: uniqueAddress(),
  });

describe("password/change", () => {
  it("REV-04: changes it, ends every other session, keeps this one, tells the owner", async () => {
    const user = await register();
    const other = await login(user);
    const answer = await change(user, PASSWORD, NEW_PASSWORD);
    expect(answer).toMatchObject({
      status: 200,
      body: { revoked: 1, effective: { confirmed: expect.any(String) } },
    });
    expect((await refresh(other.refresh, { address: uniqueAddress() })).body.code).toBe(
      "refresh_token_revoked",
    );
    expect((await ask("/api/accounts/user", { token: other.access })).body.code).toBe("access_token_revoked");
    expect((await ask("/api/accounts/sessions", { token: user.access })).body.sessions).toHaveLength(1);
    expect((await refresh(user.refresh, { address: uniqueAddress() })).status).toBe(200);
    expect((await signIn(user.username, PASSWORD)).status).toBe(401);
    expect((await signIn(user.username, NEW_PASSWORD)).status).toBe(200);
    expect(await mailed(user.email, /was changed/)).toHaveLength(1);
  });

  it("LCK-06: a wrong current password is a guess like any other; a weak new one is none", async () => {
    const user = await register();
    for (let i = 0; i < 8; i += 1) {
      expect(await change(user, PASSWORD, "tiny 7")).toMatchObject({
        status: 400,
        body: { code: "weak_password" },
      });
    }
    for (let i = 0; i < 5; i += 1) {
      expect(await change(user, `guess ${i}`, NEW_PASSWORD)).toMatchObject({
        status: 401,
        body: { code: "invalid_credentials" },
      });
    }
    expect(await change(user, PASSWORD, NEW_PASSWORD)).toMatchObject({
      status: 429,
      body: { code: "account_locked" },
    });
    expect((await signIn(user.username, PASSWORD)).body.code).toBe("account_locked");
    expect((await refresh(user.refresh, { address: uniqueAddress() })).status, "the session goes on").toBe(
      200,
    );
  });

  it("LCK-07: a right one clears the count", async () => {
    const user = await register();
    let current = PASSWORD;
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < 4; i += 1) expect((await change(user, "wrong", NEW_PASSWORD)).status).toBe(401);
      const next = `a quiet harbour, round ${round}`;
      expect((await change(user, current, next)).status).toBe(200);
      current = next;
    }
  });

  it("of many at once one succeeds, and its password is the one", async () => {
    const user = await register();
    const passwords = Array.from({ length: 5 }, (_, i) => `a quiet harbour, number ${i}`);
    const answers = await Promise.all(passwords.map((password) => change(user, PASSWORD, password)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status } of answers) expect([200, 401, 429, 503]).toContain(status);
    const winner = passwords[answers.findIndex(({ status }) => status === 200)] ?? "";
    expect((await signIn(user.username, winner)).status).toBe(200);
  });

  it("needs a session that is live at this moment, and both passwords as text", async () => {
    const user = await register();
    const missing = { status: 400, body: { error: "Current and new password are required" } };
    expect(await change(user, undefined, NEW_PASSWORD)).toMatchObject(missing);
    expect(await change(user, PASSWORD, "")).toMatchObject(missing);
    expect(await change(user, [PASSWORD], NEW_PASSWORD)).toMatchObject({
      status: 400,
      body: { code: "invalid_request" },
    });
    await ask("/api/accounts/logout", { method: "POST", token: user.access, address: uniqueAddress() });
    expect((await change(user, PASSWORD, NEW_PASSWORD)).status).toBe(401);
    const nobody = await ask("/api/accounts/password/change", { body: {}, address: uniqueAddress() });
    expect(nobody.body.code).toBe("token_required");
  });
});
