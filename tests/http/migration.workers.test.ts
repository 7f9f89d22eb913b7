/** Running beside Django: what it gave is exchanged once, for a time, and can be ended for good. */
import { env } from "cloudflare:workers";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NO_CLIENT } from "../../schema/audit-events.ts";
import { recordEvents } from "../../worker/audit.ts";
import { hashPassword } from "../../worker/passwords/registry.ts";
import { PASSWORD } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { rebind } from "../support/faults.ts";
import {
  askLegacy,
  beginAnew,
  DB,
  exchange,
  LEGACY,
  type Request,
  refreshLegacy,
  SECRET_KEY,
  sessions,
  tokens,
  userObject,
} from "../support/legacy.ts";

const ADA = 40122;
const CLIENT = { headers: { "CF-Connecting-IP": "198.51.100.21", "User-Agent": "tab" } };
const [SESSION = "", SECOND = ""] = sessions.map(({ session_key }) => session_key);
const REFRESH = tokens[0]?.token ?? "";
const ACCESS = tokens.find(({ case: name }) => name === "access, superuser, to 2036")?.token ?? "";
const admin: Request = { token: env.ADMIN_TOKEN };
const progress = async () => (await askLegacy("/api/admin/migration", admin)).body;
const finish = () => askLegacy("/api/admin/migration/finish", { ...admin, method: "POST" });
const user = (options: Request) => askLegacy("/api/accounts/user", options);

function sign(claims: Record<string, unknown>): Promise<string> {
  const all = { user_id: ADA, token_type: "refresh", jti: crypto.randomUUID(), ...claims };
  return new SignJWT({ iat: 1_752_600_000, exp: 2_111_702_400, ...all })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(SECRET_KEY));
}

beforeEach(() => beginAnew("migration"));
afterEach(stopClock);

it("stands for a password alone: who has a second factor here must sign in", async () => {
  const protect = `INSERT INTO totp (user_id, enrolment, key_id, secret, created_at, activated_at)
    SELECT id, 'enrolment', 'key', 'secret', 1, ?1 FROM users`;
  await DB.prepare(protect).bind(null).run();
  expect((await exchange(SECOND)).status, "one that is not active yet asks for nothing").toBe(200);
  await DB.prepare("UPDATE totp SET activated_at = 1").run();
  expect(await refreshLegacy(REFRESH)).toMatchObject({
    status: 401,
    body: { code: "refresh_token_revoked" },
  });
  expect((await exchange(SESSION)).status).toBe(401);
  expect((await user({ token: ACCESS })).body.code).toBe("invalid_access_token");
});

describe("a refresh token that Django issued", () => {
  it("becomes a session like any other, which its owner sees and ends", async () => {
    const { body } = await refreshLegacy(REFRESH);
    expect(body).toMatchObject({ token_type: "Bearer", user: { id: ADA, role: "admin" } });
    const list = await askLegacy("/api/accounts/sessions", { token: body.access_token });
    expect(list.body.sessions).toMatchObject([{ id: body.session_id, current: true, amr: ["pwd"] }]);
    const next = await refreshLegacy(body.refresh_token);
    expect(next).toMatchObject({ status: 200, body: { session_id: body.session_id } });
    await askLegacy("/api/accounts/logout", { method: "POST", token: next.body.access_token });
    expect((await refreshLegacy(next.body.refresh_token)).body.code).toBe("refresh_token_revoked");
    expect((await refreshLegacy(REFRESH)).body.code).toBe("refresh_token_revoked");
  });

  it("REF-02: fifty at once give one session and one successor, byte for byte", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => refreshLegacy(REFRESH, CLIENT)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => body.refresh_token)).size).toBe(1);
  });

  it("REF-03, REF-05: again within the grace it is the same successor; after it, it ends the session", async () => {
    const first = await refreshLegacy(REFRESH, CLIENT);
    passSeconds(500);
    expect((await refreshLegacy(REFRESH, CLIENT)).body.refresh_token).toBe(first.body.refresh_token);
    passSeconds(101);
    expect((await refreshLegacy(REFRESH, CLIENT)).body.code).toBe("refresh_token_reused");
    expect((await refreshLegacy(first.body.refresh_token)).body.code).toBe("refresh_token_revoked");
    expect((await refreshLegacy(REFRESH, CLIENT)).body.code).toBe("refresh_token_revoked");
  });

  it("REF-04: once its successor was used it is reuse at once", async () => {
    const first = await refreshLegacy(REFRESH, CLIENT);
    const second = await refreshLegacy(first.body.refresh_token, CLIENT);
    expect((await refreshLegacy(REFRESH, CLIENT)).body.code).toBe("refresh_token_reused");
    expect((await refreshLegacy(second.body.refresh_token)).body.code).toBe("refresh_token_revoked");
  });

  it("REV-02: one that was not used dies with all sessions, and with everyone's", async () => {
    const { body } = await refreshLegacy(REFRESH);
    await askLegacy("/api/accounts/logout", { method: "POST", token: body.access_token });
    expect((await refreshLegacy(await sign({}))).body.code).toBe("refresh_token_revoked");
    expect((await exchange(SESSION)).status).toBe(401);
    passSeconds(2);
    const later = await sign({ iat: Math.floor(Date.now() / 1000) - 1 });
    expect((await refreshLegacy(later)).status, "what Django gave afterwards is good").toBe(200);
  });

  it("REV-02: an admin ends it also where no session ever was, or none is any more", async () => {
    const revokeSessions = () =>
      askLegacy(`/api/admin/users/${ADA}/revoke-sessions`, { ...admin, body: { reason: "stolen" } });
    expect(await revokeSessions()).toMatchObject({ status: 200, body: { revoked: 0 } });
    expect((await refreshLegacy(REFRESH)).body.code).toBe("refresh_token_revoked");
    expect((await exchange(SESSION)).status).toBe(401);

    passSeconds(2);
    await rebind(userObject(ADA), LEGACY);
    const given = async () => sign({ iat: Math.floor(Date.now() / 1000) });
    const [first, second] = [await given(), await given()];
    const { body } = await refreshLegacy(first);
    await askLegacy("/api/accounts/logout", { token: body.access_token, body: { scope: "local" } });
    expect(await revokeSessions()).toMatchObject({ status: 200, body: { revoked: 0 } });
    expect((await refreshLegacy(second)).body.code).toBe("refresh_token_revoked");
    passSeconds(2);
    expect((await refreshLegacy(await given())).status, "what Django gave afterwards is good").toBe(200);
  });

  it("dies with a password that was changed here, and not with a hash that was renewed", async () => {
    const hash = await hashPassword(PASSWORD, (length) => crypto.getRandomValues(new Uint8Array(length)));
    await DB.prepare("UPDATE users SET password_hash = ? WHERE id = ?").bind(hash, ADA).run();
    expect((await user({ token: ACCESS })).status).toBe(200);
    await DB.prepare("UPDATE users SET password_hash = ?, version = version + 1 WHERE id = ?")
      .bind(`${hash}x`, ADA)
      .run();
    expect((await user({ token: ACCESS })).status).toBe(401);
    expect((await refreshLegacy(REFRESH)).body.code).toBe("refresh_token_revoked");
  });

  it("is nobody's whose id belongs to an account that was made here", async () => {
    await DB.prepare("DELETE FROM imported_users WHERE user_id = ?").bind(ADA).run();
    expect((await refreshLegacy(REFRESH)).status).toBe(401);
    expect((await user({ token: ACCESS })).status).toBe(401);
    expect((await exchange(SESSION)).status).toBe(401);
  });

  it("is remembered as long as Django would take it, though its session is long forgotten", async () => {
    const { body } = await refreshLegacy(REFRESH);
    await askLegacy("/api/accounts/logout", {
      method: "POST",
      token: body.access_token,
      body: { scope: "local" },
    });
    passSeconds(90_000);
    expect((await refreshLegacy(REFRESH)).body.code).toBe("refresh_token_revoked");
  });
});

describe("an access token that Django issued", () => {
  it("is good for routes that need no session, until it expires", async () => {
    expect((await user({ token: ACCESS })).body.user).toMatchObject({ id: ADA });
    const profile = { method: "PATCH", token: ACCESS, body: { first_name: "Ada" } };
    expect((await user(profile)).body.user.profile.first_name).toBe("Ada");
    for (const path of ["/api/accounts/export", "/api/admin/migration"])
      expect((await askLegacy(path, { token: ACCESS })).body.code, path).toBe("invalid_access_token");
    const soon = await sign({ token_type: "access", exp: Math.floor(Date.now() / 1000) + 5 });
    expect((await user({ token: soon })).status).toBe(200);
    passSeconds(5);
    expect((await user({ token: soon })).body.code).toBe("invalid_access_token");
  });

  it("that has expired is no guess: a network full of old clients is not blocked", async () => {
    const expired = await sign({ token_type: "access", exp: Math.floor(Date.now() / 1000) - 5 });
    const headers = { "CF-Connecting-IP": "198.51.100.22" };
    for (let i = 0; i < 25; i += 1)
      expect((await user({ token: expired, headers })).body.code).toBe("invalid_access_token");
    expect((await refreshLegacy(REFRESH, { headers })).status).toBe(200);
  });

  it("ADM-04: dies with its user's deactivation", async () => {
    await DB.prepare("UPDATE users SET is_active = 0 WHERE id = ?").bind(ADA).run();
    expect((await user({ token: ACCESS })).status).toBe(401);
    expect((await refreshLegacy(REFRESH)).status).toBe(401);
    expect((await exchange(SESSION)).status).toBe(401);
  });
});

describe("a Django session", () => {
  it("is exchanged once; again within the grace it is the same pair, later it is refused and ends nothing", async () => {
    const first = await exchange(SESSION, CLIENT);
    expect(first.body).toMatchObject({ message: "Session exchanged successfully", user: { id: ADA } });
    expect((await exchange(SESSION, CLIENT)).body.refresh_token).toBe(first.body.refresh_token);
    passSeconds(601);
    expect((await exchange(SESSION, CLIENT)).body.code).toBe("invalid_django_session");
    expect((await refreshLegacy(first.body.refresh_token, CLIENT)).status).toBe(200);
    expect((await exchange(SESSION, CLIENT)).body.code).toBe("invalid_django_session");
    expect((await exchange(SECOND, CLIENT)).status, "another one of the same user").toBe(200);
  });

  it("comes in a cookie from an allowed origin, and may be answered in cookies", async () => {
    const Cookie = `sessionid=${SESSION}`;
    const path = "/api/accounts/session/exchange";
    const forged = { method: "POST", headers: { Cookie, Origin: "https://evil.example" } };
    expect((await askLegacy(path, forged)).body.code).toBe("csrf_failed");
    const body = { transport: "cookie" };
    const headers = { Cookie, Origin: "http://localhost:5173" };
    const answer = await askLegacy(path, { body, headers });
    expect(answer.status).toBe(200);
    expect(answer.body.access_token).toBeUndefined();
    expect(answer.headers.get("Set-Cookie")).toContain("__Host-access_token=");
  });

  it("is 400 without one, and 401 for anything else", async () => {
    const path = "/api/accounts/session/exchange";
    expect((await askLegacy(path, { method: "POST" })).body).toMatchObject({
      code: "missing_fields",
      error: "Django session is required",
    });
    for (const key of ["x", "a".repeat(32), "A".repeat(32), "a".repeat(5000), "../..", `${SESSION}x`])
      expect((await exchange(key)).body.code, key).toBe("invalid_django_session");
  });

  it("is good on routes for access tokens only where the operator says so", async () => {
    const headers = { "X-Django-Session": SESSION };
    expect((await user({ headers })).body.code).toBe("token_required");
    const vars = { DJANGO_SESSIONS: "accept" };
    expect((await user({ headers, vars })).body.user.id).toBe(ADA);
    const inCookie = { Cookie: `sessionid=${SESSION}` };
    expect((await user({ headers: inCookie, vars })).status).toBe(200);
    const unsafe = { method: "PATCH", body: { first_name: "Eve" }, headers: inCookie, vars };
    expect((await user(unsafe)).body.code).toBe("csrf_failed");
    expect((await user({ headers: { "X-Django-Session": "nonsense" }, vars })).body.code).toBe(
      "token_required",
    );
    expect((await askLegacy("/api/accounts/export", { headers, vars })).body.code).toBe("token_required");
  });
});

describe("for a time, and only if it is wanted", () => {
  const allRefused = async (vars: Record<string, unknown>) => {
    expect((await refreshLegacy(REFRESH, { vars })).body.code).toBe("invalid_refresh_token");
    expect((await user({ token: ACCESS, vars })).body.code).toBe("invalid_access_token");
    expect((await exchange(SESSION, { vars })).body.code).toBe("invalid_django_session");
  };

  it("accepts nothing without key and date, with another key, or after the date", async () => {
    await allRefused({ DJANGO_SECRET_KEY: undefined, LEGACY_UNTIL: "" });
    await allRefused({ DJANGO_SECRET_KEY: "k9!s-another-key-of-Django-0123456789" });
    await allRefused({ LEGACY_UNTIL: "2020-01-01" });
  });

  it("stops the service, and names the setting, if only half is set or the key is known to strangers", async () => {
    for (const [vars, name] of [
      [{ LEGACY_UNTIL: "" }, "LEGACY_UNTIL"],
      [{ LEGACY_UNTIL: "2026-02-30" }, "LEGACY_UNTIL"],
      [{ DJANGO_SECRET_KEY: undefined }, "DJANGO_SECRET_KEY"],
      [{ LEGACY_KEY_IS_PUBLIC: "" }, "DJANGO_SECRET_KEY"],
      [{ LEGACY_KEY_IS_PUBLIC: "yes" }, "LEGACY_KEY_IS_PUBLIC"],
      [{ DJANGO_SESSIONS: "always" }, "DJANGO_SESSIONS"],
    ] as const) {
      const { status, text } = await user({ vars });
      expect(status, name).toBe(503);
      expect(text).toContain(name);
      expect(text).not.toContain(SECRET_KEY);
    }
  });

  it("tells how far it has come, and what is dangerous", async () => {
    expect(await progress()).toMatchObject({
      accepting: true,
      accepted_until: "2037-01-01T00:00:00.000Z",
      finished_at: null,
      warnings: [expect.stringContaining("DJANGO_SECRET_KEY")],
      users: { imported: 28, signed_in: 0, rehashed: 0 },
      sessions: { exchanged: 0 },
    });
    const { sessions: before } = await progress();
    await exchange(SESSION);
    await refreshLegacy(REFRESH);
    const after = await progress();
    expect(after.users.signed_in).toBe(1);
    expect(after.sessions).toEqual({ left: before.left - 1, exchanged: 1 });
  });

  it("counts the exchanged tokens of all time, also those whose events are forgotten", async () => {
    const before = (await progress()).tokens.exchanged;
    const told = { sid: null, reason: null, requestId: null, client: NO_CLIENT, details: {} };
    const event = (type: "django_token_exchanged" | "login_failed", i: number) => {
      return { id: `${type}.${i}`, at: 1_795_000_000 + i, type, userId: ADA, ...told };
    };
    const exchanged = [0, 1, 2].map((i) => event("django_token_exchanged", i));
    await recordEvents({ ...env, DB }, [...exchanged, event("login_failed", 0)]);
    await DB.prepare("DELETE FROM audit_events").run();
    expect((await progress()).tokens.exchanged).toBe(before + 3);
  });

  it("is ended for good by an admin; what was exchanged before goes on", async () => {
    const { body } = await refreshLegacy(REFRESH);
    expect((await askLegacy("/api/admin/migration/finish", { method: "POST" })).status).toBe(401);
    const ended = await finish();
    expect(ended.body).toMatchObject({ accepting: false, sessions: { left: 0 }, warnings: [] });
    passSeconds(5);
    expect((await finish()).body.finished_at, "twice is once").toBe(ended.body.finished_at);
    const { results } = await env.DJANGO_DB.prepare(
      "SELECT actor, risk FROM audit_events WHERE type = 'migration_finished'",
    ).all();
    expect(results).toEqual([{ actor: "operator", risk: "high" }]);
    expect((await refreshLegacy(await sign({}))).status).toBe(401);
    expect((await user({ token: ACCESS })).status).toBe(401);
    expect((await exchange(SECOND)).status).toBe(401);
    const vars = { DJANGO_SESSIONS: "accept" };
    expect((await user({ headers: { "X-Django-Session": SECOND }, vars })).status).toBe(401);
    expect((await refreshLegacy(body.refresh_token)).status).toBe(200);
  });
});
