/** What Django gave, on routes for access tokens: as soon dead as any token of the user's, and as limited. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sessionDigest } from "../../worker/auth/django-session.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { down } from "../support/faults.ts";
import {
  askLegacy,
  beginAnew,
  DB,
  exchange,
  type Request,
  refreshLegacy,
  SECRET_KEY,
  sessions,
  userObject,
} from "../support/legacy.ts";

const ACCEPT = { DJANGO_SESSIONS: "accept" };
/** No two tests share a user: what an isolate knows of one outlives a test. */
const USERS = {
  refused: 101,
  elsewhere: 102,
  limited: 103,
  cached: 104,
  outage: 105,
  unused: 106,
  own: 107,
} as const;
const IN_SESSION = 115;

function sign(user_id: number, claims: Record<string, unknown> = {}): Promise<string> {
  const all = { user_id, token_type: "access", jti: crypto.randomUUID(), ...claims };
  return new SignJWT({ iat: 1_752_600_000, exp: 2_111_702_400, ...all })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(SECRET_KEY));
}
const justNow = () => Math.floor(Date.now() / 1000);
const user = (options: Request) => askLegacy("/api/accounts/user", options);
const keyOf = (id: number) => sessions.find(({ user_id }) => user_id === id)?.session_key ?? "";

/** The users' objects, with the calls that reach them. */
function counted() {
  const calls: string[] = [];
  const getByName = (name: string) => {
    const stub = userObject(Number(name));
    const get = (_target: object, key: string) => {
      return (...args: unknown[]) => {
        calls.push(key);
        return Reflect.apply(Reflect.get(stub, key), stub, args);
      };
    };
    return new Proxy({}, { get });
  };
  return { calls, vars: { USER_AUTHORITY: { getByName } } };
}

beforeEach(() => beginAnew("django-bearer"));
afterEach(stopClock);

describe("a simplejwt access token", () => {
  it("REV-02: is dead at once with all of its user's sessions; one that Django gave later is good", async () => {
    const token = await sign(USERS.refused);
    const { body } = await refreshLegacy(await sign(USERS.refused, { token_type: "refresh" }));
    expect((await user({ token })).status).toBe(200);
    await askLegacy("/api/accounts/logout", { token: body.access_token, body: { scope: "global" } });
    expect((await user({ token })).body.code).toBe("access_token_revoked");
    passSeconds(2);
    expect((await user({ token: await sign(USERS.refused, { iat: justNow() - 1 }) })).status).toBe(200);
    expect((await user({ token })).body.code).toBe("access_token_revoked");
  });

  it("REV-04: is dead within five seconds where an admin's revocation was made elsewhere", async () => {
    const id = USERS.elsewhere;
    const token = await sign(id);
    await refreshLegacy(await sign(id, { token_type: "refresh" }));
    expect((await user({ token })).status).toBe(200);
    await userObject(id).revoke({
      ...{ by: null, scope: { kind: "all" }, reason: "ended_by_admin", note: null },
      ...{ client: { ip: null, country: null, userAgent: null }, requestId: "elsewhere", revokedBefore: 0 },
    });
    passSeconds(5);
    expect((await user({ token })).body.code).toBe("access_token_revoked");
  });

  it("counts to its user's limit", async () => {
    const token = await sign(USERS.limited);
    const vars = { RATE_LIMIT_USER: "3/60" };
    const answers = [];
    for (let i = 0; i < 4; i += 1) answers.push(await user({ token, vars }));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[3]?.body.code).toBe("rate_limited");
  });

  it("asks the user's object as seldom as any token does", async () => {
    const token = await sign(USERS.cached);
    const { calls, vars } = counted();
    passSeconds(0); // the clock stands still
    for (let i = 0; i < 12; i += 1) expect((await user({ token, vars })).status).toBe(200);
    expect(calls).toEqual(["leaseToDjango", "leaseToDjango"]);
  });

  it("is believed by nobody while the user's object cannot be asked", async () => {
    const vars = { USER_AUTHORITY: { getByName: () => down() } };
    expect((await user({ token: await sign(USERS.outage), vars })).status).toBe(503);
  });

  it("shows its user's sessions, none of them as its own, and ends one or all, itself with them", async () => {
    const token = await sign(USERS.own);
    const [first, second] = [
      (await refreshLegacy(await sign(USERS.own, { token_type: "refresh" }))).body,
      (await refreshLegacy(await sign(USERS.own, { token_type: "refresh" }))).body,
    ];
    const path = "/api/accounts/sessions";
    const list = await askLegacy(path, { token });
    expect(list.body.sessions).toMatchObject([{ current: false }, { current: false }]);
    const timeline = await askLegacy(`${path}/${first.session_id}/timeline`, { token });
    expect(timeline.body.events).toMatchObject([{ type: "began" }]);
    const end = (id: string) => askLegacy(`${path}${id}`, { token, method: "DELETE" });
    expect((await end(`/${first.session_id}`)).status).toBe(204);
    expect(await end("")).toMatchObject({ status: 200, body: { revoked: 1 } });
    expect((await refreshLegacy(second.refresh_token)).body.code).toBe("refresh_token_revoked");
    expect((await askLegacy(path, { token })).body.code).toBe("access_token_revoked");
  });

  it("leaves nothing in the object of a user who has none, once the limit's period has passed", async () => {
    const id = USERS.unused;
    expect((await user({ token: await sign(id) })).status).toBe(200);
    const object = userObject(id);
    const tables = () =>
      runInDurableObject(object, (_, { storage }) =>
        storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'limits'").toArray(),
      );
    await runDurableObjectAlarm(object);
    expect(await tables(), "it still counts").toHaveLength(1);
    passSeconds(70);
    await runDurableObjectAlarm(object);
    expect(await tables()).toEqual([]);
  });
});

describe("a Django session, where it is accepted", () => {
  it("is dead with all of its user's sessions", async () => {
    const headers = { "X-Django-Session": keyOf(IN_SESSION) };
    expect((await user({ headers, vars: ACCEPT })).status).toBe(200);
    const { body } = await refreshLegacy(await sign(IN_SESSION, { token_type: "refresh" }));
    await askLegacy("/api/accounts/logout", { token: body.access_token, body: { scope: "global" } });
    expect((await user({ headers, vars: ACCEPT })).body.code).toBe("access_token_revoked");
  });

  it("is refused once it was exchanged: the pair stands for it", async () => {
    const key = keyOf(40_128);
    const headers = { "X-Django-Session": key };
    expect((await user({ headers, vars: ACCEPT })).status).toBe(200);
    expect((await exchange(key, { vars: ACCEPT })).status).toBe(200);
    expect((await user({ headers, vars: ACCEPT })).body.code).toBe("token_required");
    expect((await exchange(key, { vars: ACCEPT })).status, "again within the grace").toBe(200);
  });
});

describe("a logout by what Django gave", () => {
  const logout = (options: Request) => askLegacy("/api/accounts/logout", { body: {}, ...options });
  const opened = async (id: number) => (await refreshLegacy(await sign(id, { token_type: "refresh" }))).body;

  it.each([
    ["a simplejwt access token", 110, async () => ({ token: await sign(110) })],
    [
      "a simplejwt refresh token",
      111,
      async () => ({ body: { refresh_token: await sign(111, { token_type: "refresh" }) } }),
    ],
    [
      "a Django session that is accepted",
      40_118,
      async () => ({ headers: { "X-Django-Session": keyOf(40_118) }, vars: ACCEPT }),
    ],
  ] as const)("by %s ends all sessions, and all that Django gave", async (_name, id, shown) => {
    const session = await opened(id);
    const token = await sign(id);
    expect(await logout(await shown())).toMatchObject({
      status: 200,
      body: { message: "Logout successful", revoked: 1 },
    });
    expect((await refreshLegacy(session.refresh_token)).body.code).toBe("refresh_token_revoked");
    expect((await user({ token })).body.code).toBe("access_token_revoked");
    expect((await logout({ token })).body, "and it ends nothing of later").toEqual({
      message: "Already logged out",
    });
  });

  it("cannot be of one session: that is said, and nothing ends", async () => {
    const session = await opened(113);
    for (const scope of ["local", "others"])
      expect(await logout({ token: await sign(113), body: { scope } })).toMatchObject({
        status: 400,
        body: { code: "invalid_request" },
      });
    expect((await refreshLegacy(session.refresh_token)).status).toBe(200);
  });
});

it("a session that Django 3.2 signed with SHA-1 is exchanged, and not one whose password was changed", async () => {
  // DEFAULT_HASHING_ALGORITHM = "sha1"; made by Django's own signer.
  const data =
    "eyJfYXV0aF91c2VyX2lkIjoiNDAxMjIiLCJfYXV0aF91c2VyX2JhY2tlbmQiOiJkamFuZ28uY29udHJpYi5hdXRoLmJhY2tlbmRzLk1vZGVsQmFja2VuZCIsIl9hdXRoX3VzZXJfaGFzaCI6ImQ5ZTRlZTQ1NWQ3MzEwNmQxMzFjYWM0OTJmYjljZDNiYTdiYThiYTYifQ:1ubjJw:cf6C5cUFEI6m5cymxasmeOmM5pk";
  const key = "s".repeat(32);
  const add = `INSERT INTO django_sessions (digest, user_id, session_data, expires_at) VALUES (?, 40122, ?, 2111702400)`;
  await DB.prepare(add)
    .bind(await sessionDigest(key), data)
    .run();
  const forged = `${data.slice(0, -1)}${data.endsWith("A") ? "E" : "A"}`;
  await DB.prepare(add)
    .bind(await sessionDigest("f".repeat(32)), forged)
    .run();
  expect((await exchange("f".repeat(32))).status).toBe(401);
  expect(await exchange(key)).toMatchObject({ status: 200, body: { user: { id: 40122 } } });
  await DB.prepare("UPDATE users SET password_hash = password_hash || 'x' WHERE id = 40122").run();
  expect((await exchange(key)).status).toBe(401);
});
