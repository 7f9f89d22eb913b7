import { env } from "cloudflare:workers";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { ask, login, ORIGIN, PASSWORD, refresh, register, unique, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { rebind } from "../support/faults.ts";

afterEach(stopClock);

describe("register", () => {
  it("answers 201 with a token pair, and the account can be read with it", async () => {
    const user = await register();
    const answer = await ask("/api/accounts/user", { token: user.access, address: user.address });
    expect(answer.status).toBe(200);
    expect(answer.body.user).toMatchObject({
      id: user.id,
      username: user.username,
      email: user.email,
      email_verified: false,
      role: "user",
      two_factor_enabled: false,
      profile: { first_name: "", last_name: "", avatar_url: null, timezone: null, language: null },
    });
    expect(Date.parse(answer.body.user.last_login)).not.toBeNaN();
  });

  it("ADM-02: members that nobody asked for are ignored and never stored", async () => {
    const username = unique("mass");
    const body = {
      username,
      password: PASSWORD,
      password2: PASSWORD,
      role: "admin",
      id: 1,
      is_active: false,
    };
    const answer = await ask("/api/accounts/register", { body, address: uniqueAddress() });
    expect(answer.status).toBe(201);
    expect(answer.body.user).toMatchObject({ username, email: null, role: "user" });
    expect(answer.body.user.id).not.toBe(1);
  });

  it("refuses a name in any case, and an e-mail in any case, that belongs to another", async () => {
    const user = await register("Taken");
    const same = { password: PASSWORD, password2: PASSWORD };
    for (const body of [
      { username: user.username, ...same },
      { username: user.username.toUpperCase(), ...same },
      { username: unique("free"), email: user.email.toUpperCase(), ...same },
    ]) {
      const answer = await ask("/api/accounts/register", { body, address: uniqueAddress() });
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject({
        code: "user_exists",
        error: "User with this username or email already exists",
      });
    }
  });

  it("refuses a name that looks like somebody else's e-mail address", async () => {
    const body = { username: "bob@example.com", password: PASSWORD, password2: PASSWORD };
    const answer = await ask("/api/accounts/register", { body, address: uniqueAddress() });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_request" } });
    expect(answer.body.details[0].field).toBe("username");
    const email = `${unique("own")}@example.com`;
    const own = { ...body, username: email, email };
    expect((await ask("/api/accounts/register", { body: own, address: uniqueAddress() })).status).toBe(201);
  });

  it("twenty registrations of one name at once make one account", async () => {
    const username = unique("race");
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const body = {
          username: i % 2 === 0 ? username : username.toUpperCase(),
          password: PASSWORD,
          password2: PASSWORD,
        };
        return ask("/api/accounts/register", { body, address: uniqueAddress() });
      }),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === "user_exists")).toHaveLength(19);
  });
});

describe("login", () => {
  it("works by user name, by another Unicode spelling of it, and by e-mail in any case", async () => {
    const user = await register("ﬁne");
    for (const username of [user.username, user.username.normalize("NFKC"), user.email.toUpperCase()]) {
      const answer = await ask("/api/accounts/login", {
        body: { username, password: PASSWORD },
        address: uniqueAddress(),
      });
      expect(answer.status, username).toBe(200);
      expect(answer.body.message).toBe("Login successful");
      expect(answer.body.user.id).toBe(user.id);
    }
  });

  it("ENU-01: an unknown name, a wrong password and a padded one answer alike", async () => {
    const user = await register();
    const other = await register();
    const answers = await Promise.all(
      [
        { username: unique("nobody"), password: PASSWORD },
        { username: user.username, password: `${PASSWORD}!` },
        { username: user.username, password: ` ${PASSWORD}` },
        { username: other.username, password: "p".repeat(20_000) },
        { username: user.username.toUpperCase(), password: PASSWORD },
        { username: "\u0000", password: PASSWORD },
        { username: "\ud800", password: PASSWORD },
        { username: "x".repeat(5000), password: PASSWORD },
      ].map((body) => ask("/api/accounts/login", { body, address: uniqueAddress() })),
    );
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect({ ...answer.body, request_id: "" }).toEqual({ ...answers[0]?.body, request_id: "" });
      expect(answer.body).toMatchObject({ error: "Invalid credentials", code: "invalid_credentials" });
    }
  });

  it("REV-08: every login begins a session of its own, and a presented id is never adopted", async () => {
    const user = await register();
    const again = await login(user, { session_id: user.sid, sid: user.sid });
    expect(again.sid).not.toBe(user.sid);
  });

  it("REV-09: beyond the cap the least recently used session ends", async () => {
    const user = await register();
    await rebind(env.USER_AUTHORITY.getByName(String(user.id)), { MAX_SESSIONS_PER_USER: "5" });
    const second = await login(user);
    passSeconds(1); // the order of use is kept in seconds
    await refresh(user.refresh, { address: user.address }); // now `second` is the least recently used
    for (let i = 0; i < 4; i += 1) await login(user);
    const list = await ask("/api/accounts/sessions", { token: user.access, address: uniqueAddress() });
    expect(list.body.sessions).toHaveLength(5);
    const ids = list.body.sessions.map(({ id }: { id: string }) => id);
    expect(ids).toContain(user.sid);
    expect(ids).not.toContain(second.sid);
    expect((await refresh(second.refresh)).body.code).toBe("refresh_token_revoked");
  });
});

describe("tokens", () => {
  it("RFC 9068 §2: the access token says what the contract lists", async () => {
    const user = await register();
    expect(decodeProtectedHeader(user.access)).toEqual({ alg: "EdDSA", kid: "test-new", typ: "at+jwt" });
    const claims = decodeJwt(user.access);
    expect(claims).toMatchObject({
      iss: ORIGIN,
      aud: ORIGIN,
      sub: String(user.id),
      user_id: user.id,
      username: user.username,
      email: user.email,
      role: "user",
      sid: user.sid,
      amr: ["pwd"],
      token_type: "access",
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(600);
    expect(claims.auth_time).toBe(claims.iat);
  });

  it("TOK-09: the refresh token carries no personal data", async () => {
    const user = await register();
    expect(decodeProtectedHeader(user.refresh)).toEqual({ alg: "HS256", typ: "rt+jwt" });
    expect(Object.keys(decodeJwt(user.refresh)).sort()).toEqual(
      ["aud", "exp", "iat", "iss", "jti", "sid", "sub", "token_type", "user_id"].sort(),
    );
  });

  it("TOK-05: a token of one type is never good as the other", async () => {
    const user = await register();
    expect((await ask("/api/accounts/user", { token: user.refresh })).body.code).toBe("invalid_access_token");
    expect((await refresh(user.access)).body.code).toBe("invalid_refresh_token");
    const verify = await ask("/api/accounts/token/verify", { body: { token: user.refresh } });
    expect(verify.body.code).toBe("invalid_access_token");
  });

  it("verify answers the claims of a good token, 401 for a bad one", async () => {
    const user = await register();
    const good = await ask("/api/accounts/token/verify", { body: { token: user.access } });
    expect(good.status).toBe(200);
    expect(good.body).toMatchObject({ active: true, sub: String(user.id), sid: user.sid });
    const bad = await ask("/api/accounts/token/verify", { body: { token: `${user.access}x` } });
    expect(bad.status).toBe(401);
  });

  it("TOK-02: the published keys are public, and hold every kid that signs", async () => {
    const { body, headers } = await ask("/.well-known/jwks.json");
    expect(body.keys.map(({ kid }: { kid: string }) => kid).sort()).toEqual(["test-new", "test-old"]);
    for (const key of body.keys)
      expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
    expect(headers.get("Cache-Control")).toContain("max-age");
  });
});

describe("sessions", () => {
  it("lists the live ones, newest first, the asking one marked", async () => {
    const user = await register();
    const laptop = await login(user, { device_name: "Ada's laptop" });
    const { body } = await ask("/api/accounts/sessions", { token: user.access, address: user.address });
    expect(body.sessions.map(({ id }: { id: string }) => id).sort()).toEqual([user.sid, laptop.sid].sort());
    const own = body.sessions.find(({ id }: { id: string }) => id === user.sid);
    expect(own).toMatchObject({ current: true, ip: user.address, amr: ["pwd"] });
    const other = body.sessions.find(({ id }: { id: string }) => id === laptop.sid);
    expect(other).toMatchObject({ current: false, device: "Ada's laptop" });
  });

  it("names a device by its user agent", async () => {
    const user = await register();
    const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    const body = { username: user.username, password: PASSWORD };
    const answer = await ask("/api/accounts/login", {
      body,
      address: user.address,
      headers: { "User-Agent": agent },
    });
    const list = await ask("/api/accounts/sessions", {
      token: answer.body.access_token,
      address: user.address,
    });
    const own = list.body.sessions.find(({ current }: { current: boolean }) => current);
    expect(own).toMatchObject({ user_agent: agent, device: "Firefox on Linux" });
  });

  it("REV-06, ADM-03, ENU-05: ends one of one's own; someone else's and unknown ones are 404", async () => {
    const user = await register();
    const other = await login(user);
    const stranger = await register();
    const end = (id: string) =>
      ask(`/api/accounts/sessions/${id}`, { method: "DELETE", token: user.access, address: user.address });
    expect((await end(other.sid)).status).toBe(204);
    expect((await refresh(other.refresh)).body.code).toBe("refresh_token_revoked");
    expect((await ask("/api/accounts/user", { token: other.access })).body.code).toBe("access_token_revoked");
    for (const id of [other.sid, stranger.sid, "nonsense", "%2e%2e"])
      expect((await end(id)).status).toBe(404);
    expect((await refresh(stranger.refresh)).status).toBe(200);
  });

  it("DELETE sessions ends all others and answers a receipt", async () => {
    const user = await register();
    const others = await Promise.all([login(user), login(user), login(user)]);
    const answer = await ask("/api/accounts/sessions", {
      method: "DELETE",
      token: user.access,
      address: user.address,
    });
    expect(answer.status).toBe(200);
    expect(answer.body.revoked).toBe(3);
    const { confirmed, leased, local } = answer.body.effective;
    expect(Date.parse(leased) - Date.parse(confirmed)).toBe(5000);
    expect(Date.parse(local) - Date.parse(confirmed)).toBe(60_000);
    for (const other of others) expect((await refresh(other.refresh)).status).toBe(401);
    expect((await refresh(user.refresh, { address: user.address })).status).toBe(200);
  });
});

describe("logout", () => {
  const logout = (options: Parameters<typeof ask>[1]) =>
    ask("/api/accounts/logout", { method: "POST", ...options });

  it("REV-02: ends every session by default; what begins afterwards works", async () => {
    const user = await register();
    const other = await login(user);
    const answer = await logout({ token: user.access });
    expect(answer).toMatchObject({ status: 200, body: { message: "Logout successful", revoked: 2 } });
    for (const one of [user, other]) {
      expect((await ask("/api/accounts/user", { token: one.access })).body.code).toBe("access_token_revoked");
      expect((await refresh(one.refresh)).body).toMatchObject({
        error: "Refresh token is invalid or has been revoked",
        code: "refresh_token_revoked",
      });
    }
    const next = await login(user);
    expect((await ask("/api/accounts/user", { token: next.access })).status).toBe(200);
    expect((await refresh(next.refresh)).status).toBe(200);
  });

  it("scope local ends this session alone, by either token", async () => {
    const user = await register();
    const other = await login(user);
    const third = await login(user);
    expect((await logout({ token: other.access, body: { scope: "local" } })).body.revoked).toBe(1);
    const byRefresh = await logout({ body: { refresh_token: third.refresh, scope: "local" } });
    expect(byRefresh.body).toMatchObject({ message: "Logout successful", revoked: 1 });
    expect((await refresh(other.refresh)).status).toBe(401);
    expect((await refresh(third.refresh)).status).toBe(401);
    expect((await refresh(user.refresh)).status).toBe(200);
  });

  it("scope others keeps this session", async () => {
    const user = await register();
    const other = await login(user);
    expect((await logout({ token: user.access, body: { scope: "others" } })).body.revoked).toBe(1);
    expect((await refresh(other.refresh)).status).toBe(401);
    expect((await refresh(user.refresh)).status).toBe(200);
  });

  it("REV-11: a dead access token does not hide a good refresh token", async () => {
    const user = await register();
    const ended = await login(user);
    await logout({ token: ended.access, body: { scope: "local" } });
    const answer = await logout({ token: ended.access, body: { refresh_token: user.refresh } });
    expect(answer.body).toMatchObject({ message: "Logout successful", revoked: 1 });
    expect((await refresh(user.refresh)).body.code).toBe("refresh_token_revoked");
  });

  it("REV-11: without a good token nothing ends, and that is what it says", async () => {
    const user = await register();
    const ended = await login(user);
    await logout({ token: ended.access, body: { scope: "local" } });
    for (const options of [
      {},
      { token: "undefined" },
      { token: ended.access },
      { body: { refresh_token: "null" } },
      { body: { refresh_token: ended.refresh } },
    ]) {
      expect(await logout(options)).toMatchObject({ status: 200, body: { message: "Already logged out" } });
    }
    expect((await refresh(user.refresh)).status).toBe(200);
  });

  it("an unknown scope is 400 and ends nothing", async () => {
    const user = await register();
    expect((await logout({ token: user.access, body: { scope: "galaxy" } })).status).toBe(400);
    expect((await refresh(user.refresh)).status).toBe(200);
  });
});
