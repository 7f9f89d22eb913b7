/** Verifying and changing an e-mail address (contract §6). */

import { env } from "cloudflare:workers";
import { decodeJwt } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { askAs } from "../support/admin.ts";
import {
  type Answer,
  ask,
  PASSWORD,
  refresh,
  register,
  type SignedIn,
  signIn,
  unique,
  uniqueAddress,
} from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { confirmReset, mailed, outbox, resetToken, tokenIn, VERIFY } from "../support/mail.ts";

afterEach(stopClock);

const NEW_PASSWORD = "another quiet harbour 28";
const invalid = { status: 400, body: { code: "invalid_email_token" } };

const verify = (token: unknown): Promise<Answer> =>
  ask("/api/accounts/email/verify", { body: { token }, address: uniqueAddress() });
const resend = (user: SignedIn): Promise<Answer> =>
  askAs(user, "/api/accounts/email/verify/resend", { method: "POST" });
const change = (user: SignedIn, email: unknown, password: unknown = PASSWORD): Promise<Answer> =>
  askAs(user, "/api/accounts/email/change", { body: { email, password } });
const read = async (user: Pick<SignedIn, "access">) => (await askAs(user, "/api/accounts/user")).body.user;
const newAddress = () => `${unique("new")}@example.com`;

describe("email/verify", () => {
  it("a registration mails a link, which verifies the address once", async () => {
    const user = await register();
    expect((await read(user)).email_verified).toBe(false);
    const [message] = await mailed(user.email, VERIFY);
    expect(message?.text).toContain("http://localhost:5173/verify-email#token=");
    const answers = await Promise.all(Array.from({ length: 10 }, () => verify(tokenIn(message))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await read(user)).email_verified).toBe(true);
    expect(await verify(tokenIn(message))).toMatchObject(invalid);
    expect((await refresh(user.refresh, { address: uniqueAddress() })).status, "no session ends").toBe(200);
  });

  it("without an e-mail nothing is mailed, and asking for the link says why", async () => {
    const username = unique("plain");
    const body = { username, password: PASSWORD, password2: PASSWORD };
    const answer = await ask("/api/accounts/register", { body, address: uniqueAddress() });
    const again = await ask("/api/accounts/email/verify/resend", {
      method: "POST",
      token: answer.body.access_token,
    });
    expect(again).toMatchObject({ status: 400, body: { code: "no_email" } });
  });

  it("resend: a new link, the older one is dead; three an hour with the first; none once verified", async () => {
    const user = await register();
    const first = tokenIn((await mailed(user.email, VERIFY))[0]);
    expect((await resend(user)).status).toBe(200);
    const second = tokenIn((await mailed(user.email, VERIFY, 2))[0]);
    expect(await verify(first)).toMatchObject(invalid);
    expect((await resend(user)).status).toBe(200);
    const limited = await resend(user);
    expect(limited).toMatchObject({ status: 429, body: { code: "rate_limited" } });
    expect(Number(limited.headers.get("Retry-After"))).toBeGreaterThan(3000);
    const third = tokenIn((await mailed(user.email, VERIFY, 3))[0]);
    expect(await verify(second)).toMatchObject(invalid);
    expect((await verify(third)).status).toBe(200);
    expect((await resend(user)).body.message).toBe("Email is already verified");
  });

  it("ends with EMAIL_VERIFY_TTL; a change of password leaves it good", async () => {
    const user = await register();
    const token = tokenIn((await mailed(user.email, VERIFY))[0]);
    await confirmReset(await resetToken(user.email), NEW_PASSWORD);
    passSeconds(86_402);
    expect(await verify(token)).toMatchObject(invalid);
    passSeconds(-10);
    expect((await verify(token)).status).toBe(200);
  });

  it("what is missing or made up is refused", async () => {
    for (const token of ["", null, undefined]) {
      expect(await verify(token)).toMatchObject({ status: 400, body: { error: "Token is required" } });
    }
    for (const token of [5, ["x"]])
      expect(await verify(token)).toMatchObject({ body: { code: "invalid_request" } });
    const user = await register();
    for (const token of ["x".repeat(43), user.access, await resetToken(user.email)]) {
      expect(await verify(token)).toMatchObject(invalid);
    }
  });
});

describe("email/change", () => {
  it("takes effect when the new address is confirmed; both addresses are told, tokens carry the new one", async () => {
    const user = await register();
    const email = newAddress();
    expect((await change(user, email)).status).toBe(200);
    expect((await read(user)).email).toBe(user.email);
    expect(await mailed(user.email, /about to change/)).toHaveLength(1);
    const token = tokenIn((await mailed(email, /new email/))[0]);
    const answers = await Promise.all(Array.from({ length: 10 }, () => verify(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await read(user)).toMatchObject({ email, email_verified: true });
    expect(await mailed(user.email, /was changed/)).toHaveLength(1);
    const next = await refresh(user.refresh, { address: uniqueAddress() });
    expect(decodeJwt(next.body.access_token).email).toBe(email);
    expect((await signIn(email.toUpperCase())).status).toBe(200);
    expect((await signIn(user.email)).status).toBe(401);
  });

  it("RST-05: links to the older address die with it", async () => {
    const user = await register();
    const reset = await resetToken(user.email);
    const verification = tokenIn((await mailed(user.email, VERIFY))[0]);
    const email = newAddress();
    await change(user, email);
    expect((await verify(tokenIn((await mailed(email, /new email/))[0]))).status).toBe(200);
    expect((await confirmReset(reset, NEW_PASSWORD)).body.code).toBe("invalid_reset_token");
    expect(await verify(verification)).toMatchObject(invalid);
  });

  it("a new password kills a change that waits: whoever asked for it may have known the old one", async () => {
    const user = await register();
    const email = newAddress();
    await change(user, email);
    const token = tokenIn((await mailed(email, /new email/))[0]);
    expect((await confirmReset(await resetToken(user.email), NEW_PASSWORD)).status).toBe(200);
    expect(await verify(token)).toMatchObject(invalid);
  });

  it("ENU-04: somebody else's address is answered alike, and gets no link", async () => {
    const [user, other] = [await register(), await register()];
    const [taken, free] = [await change(user, other.email.toUpperCase()), await change(user, newAddress())];
    expect({ ...taken.body }).toEqual({ ...free.body });
    expect(await mailed(user.email, /about to change/, 2)).toHaveLength(2);
    expect((await outbox(other.email)).filter(({ subject }) => /new email/.test(subject))).toEqual([]);
  });

  it("taken between asking and confirming: 400, and nothing changes", async () => {
    const user = await register();
    const username = unique("quick");
    const email = `${username}@example.com`;
    await change(user, email);
    const token = tokenIn((await mailed(email, /new email/))[0]);
    const body = { username, email, password: PASSWORD, password2: PASSWORD };
    expect((await ask("/api/accounts/register", { body, address: uniqueAddress() })).status).toBe(201);
    expect(await verify(token)).toMatchObject({ status: 400, body: { code: "user_exists" } });
    expect((await read(user)).email).toBe(user.email);
  });

  it("two accounts that confirm one address at once: one gets it", async () => {
    const [one, other] = [await register(), await register()];
    const email = newAddress();
    for (const user of [one, other]) expect((await change(user, email)).status).toBe(200);
    const messages = await mailed(email, /new email/, 2);
    const answers = await Promise.all(messages.map((message) => verify(tokenIn(message))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    const { results } = await env.DB.prepare("SELECT id FROM users WHERE email_key = ?").bind(email).all();
    expect(results).toHaveLength(1);
  });

  it("needs the password, as a guess like any other, and an address", async () => {
    const user = await register();
    expect(await change(user, "not an address")).toMatchObject({
      status: 400,
      body: { code: "invalid_request" },
    });
    expect(await change(user, "a@b.de\r\nBcc: c@d.de")).toMatchObject({ status: 400 });
    expect(await change(user, newAddress(), "")).toMatchObject({
      status: 400,
      body: { error: "Email and password are required" },
    });
    for (let i = 0; i < 5; i += 1) expect((await change(user, newAddress(), "wrong")).status).toBe(401);
    expect((await change(user, newAddress())).body.code).toBe("account_locked");
  });

  it("three links an hour, to whatever addresses", async () => {
    const user = await register(); // the first was the registration's
    expect((await change(user, newAddress())).status).toBe(200);
    expect((await change(user, newAddress())).status).toBe(200);
    expect(await change(user, newAddress())).toMatchObject({ status: 429, body: { code: "rate_limited" } });
  });
});
