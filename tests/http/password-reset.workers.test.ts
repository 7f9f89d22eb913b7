/** Resetting a password by mail (contract §6; requirements RST and ENU). */
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Answer,
  ask,
  login,
  PASSWORD,
  refresh,
  register,
  type SignedIn,
  signIn,
  unique,
  uniqueAddress,
} from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import {
  addressObject,
  askForReset,
  confirmReset,
  handOver,
  mailed,
  objectOf,
  outbox,
  RESET,
  resetToken,
  tokenIn,
} from "../support/mail.ts";

afterEach(stopClock);

const NEW_PASSWORD = "another quiet harbour 28";
const invalid = {
  status: 400,
  body: { code: "invalid_reset_token", error: "Invalid or expired reset token" },
};

const read = (user: SignedIn) => ask("/api/accounts/user", { token: user.access, address: uniqueAddress() });

describe("asking", () => {
  it("ENU-03: a known, an unknown and an inactive address get the same answer", async () => {
    const user = await register();
    const inactive = await register();
    await env.DB.prepare("UPDATE users SET is_active = 0 WHERE id = ?").bind(inactive.id).run();
    const answers: Answer[] = [];
    for (const email of [user.email, `${unique("nobody")}@example.com`, inactive.email]) {
      answers.push(await askForReset(email));
    }
    const [known, ...others] = answers;
    expect(known?.status).toBe(200);
    for (const other of others) {
      expect(other.text).toBe(known?.text);
      expect(other.status).toBe(200);
      expect([...other.headers.keys()].sort()).toEqual([...(known?.headers.keys() ?? [])].sort());
    }
    expect(await mailed(user.email, RESET)).toHaveLength(1);
    expect((await outbox(inactive.email)).filter(({ subject }) => RESET.test(subject))).toEqual([]);
  });

  it("ENU-03: with D1 down the answer is the same too, since nobody was looked up", async () => {
    const { askWith, down } = await import("../support/faults.ts");
    const init = { method: "POST", body: JSON.stringify({ email: `${unique("x")}@example.com` }) };
    expect((await askWith({ DB: down() }, "/api/accounts/password/reset", init)).status).toBe(200);
  });

  it("contract §3: no email is told so; what is no text is refused", async () => {
    const missing = { status: 400, body: { code: "missing_fields", error: "Email is required" } };
    expect(await ask("/api/accounts/password/reset", { body: {}, address: uniqueAddress() })).toMatchObject(
      missing,
    );
    for (const email of ["", null]) expect(await askForReset(email)).toMatchObject(missing);
    for (const email of [5, true, ["a@example.com"], { a: 1 }, "a".repeat(300), "a\0@example.com"]) {
      expect(await askForReset(email), String(email)).toMatchObject({
        status: 400,
        body: { code: "invalid_request" },
      });
    }
  });

  it("CVE-2019-19844: an address is compared normalised, and mail goes to the one that is stored", async () => {
    const user = await register("ﬁsh");
    await askForReset(user.email.normalize("NFKC").toUpperCase());
    const [message] = await mailed(user.email, RESET);
    expect(message?.to).toBe(user.email);
    const homograph = user.email.replace("example", "examplе"); // a Cyrillic е
    await askForReset(homograph);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(await outbox(homograph)).toEqual([]);
    expect(await mailed(user.email, RESET)).toHaveLength(1);
  });

  it("HASH-05: an account with an unusable password gets no mail", async () => {
    const [user, other] = [await register(), await register()];
    await env.DB.prepare("UPDATE users SET password_hash = '!x' WHERE id = ?").bind(user.id).run();
    await askForReset(user.email);
    await askForReset(other.email);
    expect(await mailed(other.email, RESET)).toHaveLength(1);
    expect((await outbox(user.email)).filter(({ subject }) => RESET.test(subject))).toEqual([]);
  });

  it("as Django: of accounts that share an address each active one gets a link of its own, under its name", async () => {
    const [one, other, inactive] = [await register(), await register(), await register()];
    const shared = `${unique("shared")}@example.com`;
    await env.DB.prepare(
      "UPDATE users SET email = ?1, email_key = ?1, is_active = (id <> ?2) WHERE id IN (?2, ?3, ?4)",
    )
      .bind(shared, inactive.id, one.id, other.id)
      .run();
    await askForReset(shared);
    const messages = await mailed(shared, RESET, 2);
    expect(messages).toHaveLength(2);
    for (const user of [one, other]) {
      const message = messages.find(({ text }) => text.includes(user.username));
      expect((await confirmReset(tokenIn(message), NEW_PASSWORD)).status).toBe(200);
      expect((await signIn(user.username, NEW_PASSWORD)).status).toBe(200);
    }
  });

  it("RST-06: three mails an hour and account, however often it is asked; then again", async () => {
    const user = await register();
    for (let i = 0; i < 8; i += 1) expect((await askForReset(user.email)).status).toBe(200);
    await mailed(user.email, RESET, 3);
    await handOver(await addressObject(user.email));
    await handOver(objectOf(user));
    expect(await mailed(user.email, RESET)).toHaveLength(3);
    passSeconds(3601);
    await askForReset(user.email);
    await handOver(await addressObject(user.email));
    await handOver(objectOf(user));
    expect(await mailed(user.email, RESET, 4)).toHaveLength(4);
  });

  it("RATE_LIMIT_AUTH counts every request of a client address", async () => {
    const address = uniqueAddress();
    const statuses: number[] = [];
    for (let i = 0; i < 11; i += 1)
      statuses.push((await askForReset(`${unique("n")}@example.com`, address)).status);
    expect(statuses).toEqual([...Array(10).fill(200), 429]);
  });

  it("RST-04: the link is of APP_ORIGIN and no header's, and has the token in its fragment", async () => {
    const user = await register();
    await ask("/api/accounts/password/reset", {
      body: { email: user.email },
      address: uniqueAddress(),
      headers: { Host: "evil.example", "X-Forwarded-Host": "evil.example", Origin: "https://evil.example" },
    });
    const [message] = await mailed(user.email, RESET);
    const link = `http://localhost:5173/reset-password#token=${tokenIn(message)}`;
    expect(message?.text).toContain(`${link}\n`);
    expect(message?.html).toContain(`<a href="${link}">`);
    expect(`${message?.text}${message?.html}`).not.toContain("evil");
  });
});

describe("confirming", () => {
  it("RST-03: sets the password, ends every session, signs nobody in, tells the owner", async () => {
    const user = await register();
    const second = await login(user);
    const answer = await confirmReset(await resetToken(user.email), NEW_PASSWORD);
    const receipt = { revoked: expect.any(Number), effective: { confirmed: expect.any(String) } };
    expect(answer).toMatchObject({
      status: 200,
      body: { message: "Password reset successful", ...receipt },
    });
    expect(answer.text).not.toMatch(/eyJ|token/);
    expect(answer.headers.getSetCookie()).toEqual([]);
    for (const session of [user, second]) {
      expect((await read(session)).body.code).toBe("access_token_revoked");
      expect((await refresh(session.refresh, { address: uniqueAddress() })).body.code).toBe(
        "refresh_token_revoked",
      );
    }
    expect((await signIn(user.username, PASSWORD)).status).toBe(401);
    expect((await signIn(user.username, NEW_PASSWORD)).status).toBe(200);
    expect(await mailed(user.email, /was reset/)).toHaveLength(1);
  });

  it("RST-02: of twenty confirms at once exactly one succeeds, and its password is the one", async () => {
    const user = await register();
    const token = await resetToken(user.email);
    const passwords = Array.from({ length: 20 }, (_, i) => `a quiet harbour, number ${i}`);
    const answers = await Promise.all(passwords.map((password) => confirmReset(token, password)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of answers) if (status !== 200) expect(body.code).toBe("invalid_reset_token");
    const winner = passwords[answers.findIndex(({ status }) => status === 200)] ?? "";
    expect((await signIn(user.username, winner)).status).toBe(200);
    await mailed(user.email, /was reset/);
    await handOver(objectOf(user));
    expect(await mailed(user.email, /was reset/)).toHaveLength(1);
  });

  it("RST-01: a token is good once, and only the newest one is", async () => {
    const user = await register();
    const first = await resetToken(user.email);
    const second = await resetToken(user.email);
    expect(await confirmReset(first, NEW_PASSWORD)).toMatchObject(invalid);
    expect((await confirmReset(second, NEW_PASSWORD)).status).toBe(200);
    expect(await confirmReset(second, PASSWORD)).toMatchObject(invalid);
  });

  it("RST-01: a token ends with PASSWORD_RESET_TTL, to the second", async () => {
    const user = await register();
    const token = await resetToken(user.email);
    passSeconds(3602);
    expect(await confirmReset(token, NEW_PASSWORD)).toMatchObject(invalid);
    passSeconds(-10);
    expect((await confirmReset(token, NEW_PASSWORD)).status).toBe(200);
  });

  it("a weak password is refused with its reasons and leaves the token good", async () => {
    const user = await register();
    const token = await resetToken(user.email);
    for (const weak of ["tiny 7", user.username]) {
      const answer = await confirmReset(token, weak);
      expect(answer).toMatchObject({
        status: 400,
        body: { code: "weak_password", error: "Password does not meet security requirements" },
      });
      expect(answer.body.details.length).toBeGreaterThan(0);
      expect(answer.text).not.toContain(weak);
    }
    expect((await confirmReset(token, NEW_PASSWORD)).status).toBe(200);
  });

  it("RST-05: a change of password, e-mail, role or activity kills older tokens", async () => {
    const changes = [
      "UPDATE users SET password_hash = password_hash, version = version + 1 WHERE id = ?",
      "UPDATE users SET is_active = 0 WHERE id = ?",
    ];
    for (const change of changes) {
      const user = await register();
      const token = await resetToken(user.email);
      await env.DB.prepare(change).bind(user.id).run();
      expect(await confirmReset(token, NEW_PASSWORD), change).toMatchObject(invalid);
    }
    const user = await register();
    const token = await resetToken(user.email);
    const body = { current_password: PASSWORD, new_password: NEW_PASSWORD };
    const changed = await ask("/api/accounts/password/change", {
      body,
      token: user.access,
      address: uniqueAddress(),
    });
    expect(changed.status).toBe(200);
    expect(await confirmReset(token, PASSWORD)).toMatchObject(invalid);
  });

  it("contract §3: what is missing, of the wrong type, of another purpose or made up is told apart only so far", async () => {
    const missing = {
      status: 400,
      body: { code: "missing_fields", error: "Token and new password are required" },
    };
    expect(
      await ask("/api/accounts/password/reset/confirm", { body: {}, address: uniqueAddress() }),
    ).toMatchObject(missing);
    expect(await confirmReset("", NEW_PASSWORD)).toMatchObject(missing);
    expect(await confirmReset("x".repeat(43), undefined)).toMatchObject(missing);
    for (const [token, password] of [
      [5, NEW_PASSWORD],
      ["x".repeat(43), 5],
      [["x"], NEW_PASSWORD],
    ]) {
      expect(await confirmReset(token, password)).toMatchObject({
        status: 400,
        body: { code: "invalid_request" },
      });
    }
    const user = await register();
    const verification = tokenIn((await mailed(user.email, /^Confirm/))[0]);
    for (const token of [
      "x",
      "x".repeat(43),
      "x".repeat(5000),
      user.access,
      verification,
      `${verification}\n`,
    ]) {
      expect(await confirmReset(token, NEW_PASSWORD), token.slice(0, 50)).toMatchObject(invalid);
    }
    const verify = await ask("/api/accounts/email/verify", {
      body: { token: verification },
      address: uniqueAddress(),
    });
    expect(verify.status, "and was not used up by it").toBe(200);
  });

  it("a login that races ends before the reset or is refused: after the 200 nothing of the old password lives", async () => {
    for (let round = 0; round < 5; round += 1) {
      const user = await register();
      const token = await resetToken(user.email);
      const [confirmed, ...logins] = await Promise.all([
        confirmReset(token, NEW_PASSWORD),
        ...Array.from({ length: 4 }, () => signIn(user.username, PASSWORD)),
      ]);
      expect(confirmed.status).toBe(200);
      for (const { status, body } of logins) {
        expect([200, 401, 503]).toContain(status);
        if (status !== 200) continue;
        expect((await refresh(body.refresh_token, { address: uniqueAddress() })).status).toBe(401);
        const kept = await ask("/api/accounts/sessions", {
          token: body.access_token,
          address: uniqueAddress(),
        });
        expect(kept.status).toBe(401);
      }
    }
  });
});
