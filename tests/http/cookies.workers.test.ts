import { describe, expect, it } from "vitest";
import {
  type Answer,
  ask,
  PASSWORD,
  register,
  type SignedIn,
  unique,
  uniqueAddress,
} from "../support/client.ts";

const Origin = "http://localhost:5173";
const cookie = { transport: "cookie" };

/** The cookies that an answer sets: name → value and attributes. */
function cookiesOf(answer: Answer): Map<string, { value: string; attributes: string[] }> {
  return new Map(
    answer.headers.getSetCookie().map((line) => {
      const [pair = "", ...attributes] = line.split("; ");
      const [name = "", value = ""] = pair.split("=");
      return [name, { value, attributes }];
    }),
  );
}

/** What a browser would send back to any path under /api/accounts. */
const jar = (answer: Answer): string =>
  [...cookiesOf(answer)].map(([name, { value }]) => `${name}=${value}`).join("; ");

async function signIn(user: SignedIn): Promise<Answer> {
  const body = { username: user.username, password: PASSWORD, ...cookie };
  return ask("/api/accounts/login", { body, address: user.address, headers: { Origin } });
}

describe("HTTP-07: transport cookie", () => {
  it("login and register set both tokens as cookies and answer neither", async () => {
    const user = await register();
    const body = { username: unique("c"), password: PASSWORD, password2: PASSWORD, ...cookie };
    const answers = [
      await signIn(user),
      await ask("/api/accounts/register", { body, address: uniqueAddress() }),
    ];
    for (const answer of answers) {
      expect(answer.body).toMatchObject({
        token_type: "Bearer",
        expires_in: 600,
        session_id: expect.any(String),
      });
      expect(answer.text).not.toMatch(/eyJ|access_token|refresh_token/);
      const cookies = cookiesOf(answer);
      expect([...cookies.keys()].slice(0, 2)).toEqual(["__Host-access_token", "__Secure-refresh_token"]);
      expect(cookies.get("__Host-access_token")?.attributes.sort()).toEqual(
        ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Strict", "Secure"].sort(),
      );
      expect(cookies.get("__Secure-refresh_token")?.attributes.sort()).toEqual(
        ["HttpOnly", "Max-Age=86400", "Path=/api/accounts", "SameSite=Strict", "Secure"].sort(),
      );
    }
  });

  it("bearer answers set no cookie", async () => {
    const user = await register();
    const body = { username: user.username, password: PASSWORD };
    const answer = await ask("/api/accounts/login", { body, address: user.address });
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  it("the access cookie reads from anywhere, and writes only from an allowed origin", async () => {
    const user = await register();
    const Cookie = jar(await signIn(user));
    const send = (method: string, headers: Record<string, string>) =>
      ask("/api/accounts/sessions", { method, headers: { Cookie, ...headers }, address: user.address });
    expect((await send("GET", {})).status).toBe(200);
    for (const headers of [{}, { Origin: "null" }, { Origin: "https://evil.example" }] as Record<
      string,
      string
    >[]) {
      expect(await send("DELETE", headers)).toMatchObject({ status: 403, body: { code: "csrf_failed" } });
    }
    expect(await send("DELETE", { Origin })).toMatchObject({ status: 200, body: { revoked: 1 } });
  });

  it("a bearer needs no origin, also beside a cookie", async () => {
    const user = await register();
    const Cookie = jar(await signIn(user));
    const answer = await ask("/api/accounts/sessions", {
      method: "DELETE",
      token: user.access,
      headers: { Cookie, Origin: "https://evil.example" },
      address: user.address,
    });
    expect(answer.status).toBe(200);
  });

  it("refresh by cookie renews both cookies and answers no token; by body, the body", async () => {
    const user = await register();
    const Cookie = jar(await signIn(user));
    const send = (headers: Record<string, string>) =>
      ask("/api/accounts/token/refresh", {
        method: "POST",
        headers: { Cookie, ...headers },
        address: user.address,
      });
    expect(await send({})).toMatchObject({ status: 403, body: { code: "csrf_failed" } });
    const first = await send({ Origin });
    expect(first.status).toBe(200);
    expect(first.text).not.toMatch(/eyJ/);
    const renewed = cookiesOf(first).get("__Secure-refresh_token")?.value;
    expect(cookiesOf(await send({ Origin })).get("__Secure-refresh_token")?.value, "a repeat").toBe(renewed);
    const byBody = await ask("/api/accounts/token/refresh", {
      body: { refresh_token: user.refresh },
      headers: { Cookie },
      address: user.address,
    });
    expect(byBody.body.refresh_token).toMatch(/^eyJ/);
    expect(byBody.headers.getSetCookie()).toEqual([]);
  });

  it("logout ends the session and clears both; a forged one does neither", async () => {
    const user = await register();
    const Cookie = jar(await signIn(user));
    const send = (headers: Record<string, string>) =>
      ask("/api/accounts/logout", { method: "POST", headers: { Cookie, ...headers }, address: user.address });
    const forged = await send({ Origin: "https://evil.example" });
    expect(forged).toMatchObject({ status: 403, body: { code: "csrf_failed" } });
    expect(forged.headers.getSetCookie()).toEqual([]);
    const answer = await send({ Origin });
    expect(answer.body.message).toBe("Logout successful");
    for (const [, { value, attributes }] of cookiesOf(answer)) {
      expect(value).toBe("");
      expect(attributes).toContain("Max-Age=0");
    }
    expect(cookiesOf(answer).size).toBe(2);
    const read = await ask("/api/accounts/user", { headers: { Cookie }, address: user.address });
    expect(read.body.code).toBe("access_token_revoked");
  });

  it("a form that a foreign page posts clears no cookie, though it comes without any", async () => {
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const send = (more: Record<string, string>) =>
      ask("/api/accounts/logout", {
        method: "POST",
        headers: { ...headers, ...more },
        address: uniqueAddress(),
      });
    for (const foreign of ["https://evil.example", "null"]) {
      const answer = await send({ Origin: foreign });
      expect(answer.body.message).toBe("Already logged out");
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
    expect((await send({ Origin })).headers.getSetCookie()).toHaveLength(2);
    expect((await send({})).headers.getSetCookie()).toHaveLength(2);
  });

  it("who logs out the others stays: the cookies are left", async () => {
    const user = await register();
    const Cookie = jar(await signIn(user));
    const headers = { Cookie, Origin };
    const body = { scope: "others" };
    const answer = await ask("/api/accounts/logout", { body, headers, address: user.address });
    expect(answer).toMatchObject({ status: 200, body: { revoked: 1 } });
    expect(answer.headers.getSetCookie()).toEqual([]);
    const read = await ask("/api/accounts/user", { headers: { Cookie }, address: user.address });
    expect(read.status).toBe(200);
  });

  it("REV-11: logout by the refresh cookie beside an access cookie of a session that has ended", async () => {
    const user = await register();
    const [ended, live] = [await signIn(user), await signIn(user)];
    await ask(`/api/accounts/sessions/${ended.body.session_id}`, {
      method: "DELETE",
      token: user.access,
      address: user.address,
    });
    const of = (answer: Answer, name: string) => `${name}=${cookiesOf(answer).get(name)?.value}`;
    const Cookie = `${of(ended, "__Host-access_token")}; ${of(live, "__Secure-refresh_token")}`;
    const answer = await ask("/api/accounts/logout", {
      body: { scope: "local" },
      headers: { Cookie, Origin },
      address: user.address,
    });
    expect(answer.body.message).toBe("Logout successful");
    const left = await ask("/api/accounts/sessions", { token: user.access, address: user.address });
    expect(left.body.sessions.map(({ id }: { id: string }) => id)).toEqual([user.sid]);
  });

  it("an unknown transport is 400", async () => {
    const body = { username: "x", password: "y", transport: "pigeon" };
    expect((await ask("/api/accounts/login", { body, address: uniqueAddress() })).status).toBe(400);
  });
});
