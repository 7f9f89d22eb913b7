import {
  createExecutionContext,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { parseApiKey } from "../../schema/api-keys.ts";
import { SessionVerifier } from "../../worker/rpc.ts";
import { askAs, asOperator, eventsAbout, registerAs } from "../support/admin.ts";
import { type Ask, ask, login, register, type SignedIn, unique, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith, down } from "../support/faults.ts";
import { handOver, mailed, objectOf } from "../support/mail.ts";
import { introspect } from "../support/oauth.ts";
import { askUnder } from "../support/settings.ts";

afterEach(stopClock);

const PATH = "/api/accounts/api-keys";
const MADE = /API key was made/;
const make = (user: SignedIn, body: object = {}) =>
  askAs(user, PATH, { body: { name: "backup", permissions: ["profile:read"], ...body } });
const use = (key: string, path = "/api/accounts/user", options: Ask = {}) =>
  ask(path, { token: key, address: uniqueAddress(), ...options });

describe("an API key", () => {
  it("is shown once, is stored hashed, is told to its owner by mail, and works as a bearer token of its permission", async () => {
    const user = await register();
    const made = await make(user);
    expect(made.status).toBe(201);
    const { key, key_id } = made.body;
    expect(key).toMatch(/^sak_[0-9A-Za-z]{11}_[0-9A-Za-z]{49}$/);
    expect(await use(key)).toMatchObject({ status: 200, body: { user: { id: user.id } } });
    const listed = await askAs(user, PATH);
    expect(listed.body.api_keys).toMatchObject([{ key_id, name: "backup", permissions: ["profile:read"] }]);
    const stored = JSON.stringify(
      await env.DB.prepare("SELECT * FROM api_keys WHERE key_id = ?").bind(key_id).first(),
    );
    const [mail] = await mailed(user.email, MADE);
    for (const text of [listed.text, stored, mail?.text])
      expect(text).not.toContain(parseApiKey(key)?.secret);
  });

  it("does what it and its owner's role may, and never what wants a session", async () => {
    await registerAs("admin"); // the last one stays
    const admin = await registerAs("admin");
    const { key } = (await make(admin, { permissions: ["*:*"] })).body;
    const { key: narrow } = (await make(admin)).body;
    const { key: writing } = (await make(admin, { permissions: ["profile:update"] })).body;
    const patch = { method: "PATCH", body: { first_name: "Ada" } };
    expect((await use(key, "/api/accounts/user", patch)).status).toBe(200);
    expect((await use(narrow, "/api/accounts/user", patch)).body.code).toBe("permission_denied");
    const unread = await use(writing, "/api/accounts/user", patch);
    expect(unread.body.code, "the answer is the whole account").toBe("permission_denied");
    for (const [path, options] of [
      [PATH, {}],
      [PATH, { body: { name: "x", permissions: ["profile:read"] } }],
      ["/api/accounts/sessions", {}],
      ["/api/accounts/sessions", { method: "DELETE" }],
      ["/api/admin/users", {}],
      [`/api/admin/users/${admin.id}`, { method: "PATCH", body: { role: "user" } }],
      ["/api/admin/roles/user", {}],
      ["/api/admin/security/events", {}],
      ["/api/admin/security/events/export", {}],
      ["/api/admin/security/metrics", {}],
      ["/api/admin/security/report", {}],
    ] satisfies [string, Ask][]) {
      expect(await use(key, path, options), path).toMatchObject({ status: 403 });
    }
    const verify = await ask("/api/accounts/token/verify", {
      body: { token: key },
      address: uniqueAddress(),
    });
    expect(verify.status).toBe(401);
    // A demotion takes from the key what the role has not any more.
    await asOperator(`/api/admin/users/${admin.id}`, { method: "PATCH", body: { role: "user" } });
    const bearer = { Authorization: `Bearer ${key}` };
    expect((await introspect("x", bearer)).status).toBe(403);
    expect((await use(key)).status).toBe(200);
  });

  it("introspects with tokens:introspect, and not without", async () => {
    const admin = await registerAs("admin");
    const user = await register();
    const { key } = (await make(admin, { permissions: ["tokens:introspect"] })).body;
    const { key: other } = (await make(admin)).body;
    expect((await introspect(user.access, { Authorization: `Bearer ${key}` })).body.active).toBe(true);
    expect((await introspect(user.access, { Authorization: `Bearer ${other}` })).status).toBe(403);
  });

  it("RFC 7662 §2.2: other services are told whose it is and what key and role both allow at this moment", async () => {
    const user = await register();
    const { key, key_id, expires_at } = (
      await make(user, {
        permissions: ["files:read", "profile:read"],
        expires_at: "2099-01-01T00:00:00.000Z",
      })
    ).body;
    const about = {
      key_id,
      sub: String(user.id),
      user_id: user.id,
      scope: "files:read profile:read",
      iat: expect.any(Number),
      exp: Date.parse(expires_at) / 1000,
    };
    const verify = (tier: "confirmed" | "leased" | "local") => exports.SessionVerifier.verify(key, { tier });
    expect((await introspect(key)).body).toEqual({ active: true, token_use: "api_key", ...about });
    for (const tier of ["confirmed", "leased", "local"] as const)
      expect(await verify(tier)).toEqual({ kind: "api_key", key: about });
    expect((await askAs(user, PATH)).body.api_keys[0].last_used_at, "that is a use").not.toBeNull();

    const role = unique("role").toLowerCase();
    await asOperator(`/api/admin/roles/${role}`, { method: "PUT", body: { permissions: ["files:*"] } });
    await asOperator(`/api/admin/users/${user.id}`, { method: "PATCH", body: { role } });
    expect((await introspect(key)).body.scope).toBe("files:read");
    await asOperator(`/api/admin/roles/${role}`, { method: "PUT", body: { permissions: [] } });
    expect((await introspect(key)).body).toMatchObject({ active: true, key_id });
    expect((await introspect(key)).body).not.toHaveProperty("scope");

    await askAs(await login(user), `${PATH}/${key_id}`, { method: "DELETE" });
    for (const bad of [key, `${key.slice(0, -1)}!`, "sak_"]) {
      expect((await introspect(bad)).body).toEqual({ active: false });
      expect(await exports.SessionVerifier.verify(bad, { tier: "local" })).toEqual({
        kind: "refused",
        reason: "invalid",
      });
    }
    const outage = new SessionVerifier(createExecutionContext(), { ...env, DB: down() });
    expect(await outage.verify(key, { tier: "local" })).toEqual({ kind: "unavailable", part: "database" });
  });

  it("is revoked at once, by its owner alone, and so is a deactivated owner's", async () => {
    const [user, stranger] = [await register(), await register()];
    const first = (await make(user)).body;
    const second = (await make(user)).body;
    const revoke = (who: SignedIn, id: string) => askAs(who, `${PATH}/${id}`, { method: "DELETE" });
    expect((await revoke(stranger, first.key_id)).status).toBe(404);
    expect((await use(first.key)).status).toBe(200);
    expect((await revoke(user, first.key_id)).status).toBe(204);
    expect((await use(first.key)).body.code).toBe("invalid_access_token");
    expect((await revoke(user, first.key_id)).status).toBe(404);
    expect((await use(second.key)).status).toBe(200);
    await asOperator(`/api/admin/users/${user.id}`, { method: "PATCH", body: { is_active: false } });
    expect((await use(second.key)).status).toBe(401);
    expect(await eventsAbout(user.id, "api_key_revoked")).toMatchObject([
      { details: { key_id: first.key_id } },
    ]);
  });

  it("ends when it says, and remembers its last use once a minute", async () => {
    const user = await register();
    const inAMinute = new Date(Math.floor(Date.now() / 1000) * 1000 + 60_000).toISOString();
    const { key, expires_at } = (await make(user, { expires_at: inAMinute })).body;
    expect(expires_at).toBe(inAMinute);
    expect((await use(key)).status).toBe(200);
    await use(key);
    const lastUse = async () => (await askAs(user, PATH)).body.api_keys[0].last_used_at;
    const first = await lastUse();
    expect(first).not.toBeNull();
    passSeconds(30);
    await use(key);
    expect(await lastUse()).toBe(first);
    passSeconds(31);
    expect((await use(key)).status).toBe(401);
  });

  it("a mistyped or forged one is 401; the first costs no query", async () => {
    const user = await register();
    const { key } = (await make(user)).body;
    const last = key.at(-1) === "0" ? "1" : "0";
    for (const wrong of [
      `${key.slice(0, -1)}${last}`,
      `${key}0`,
      key.slice(0, -1),
      "sak_",
      key.toUpperCase(),
    ]) {
      const answer = await askWith({ DB: down() }, "/api/accounts/user", {
        headers: { Authorization: `Bearer ${wrong}`, "CF-Connecting-IP": uniqueAddress() },
      });
      expect(answer, wrong).toMatchObject({ status: 401 });
    }
    const outage = await askWith({ DB: down() }, "/api/accounts/user", {
      headers: { Authorization: `Bearer ${key}`, "CF-Connecting-IP": uniqueAddress() },
    });
    expect(outage.status, "an outage is no 401").toBe(503);
  });

  it("is limited by itself, from however many addresses", async () => {
    const user = await register();
    const { key } = (await make(user)).body;
    const under = askUnder({ RATE_LIMIT_API_KEY: "20/60" });
    const one = () => under("/api/accounts/user", { token: key, address: uniqueAddress() });
    const answers = await Promise.all(Array.from({ length: 50 }, one));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(30);
    expect((await askAs(user, "/api/accounts/user")).status, "and not its owner").toBe(200);
  });

  it("RL-01: counts to its owner's limit as well, so that many keys reach no more than one, and says so", async () => {
    const user = await register();
    const keys = [(await make(user)).body.key, (await make(user)).body.key];
    const before = await use(keys[0]);
    expect(before.headers.get("RateLimit-Policy")).toBe(
      '"ip";q=100;w=60, "api_key";q=60;w=60, "user";q=60;w=60',
    );
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => use(keys[index % 2])));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(57); // and two that made keys, and one
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body.code).toBe("rate_limited");
    expect(refused?.headers.get("RateLimit"), "what the owner may not, costs the key nothing").toMatch(
      /"user";r=0;t=\d+/,
    );
    expect((await askAs(user, "/api/accounts/user")).status, "and his sessions").toBe(429);
  });

  it("RL-07: of an owner without sessions it leaves an object that empties itself", async () => {
    const user = await register();
    const { key } = (await make(user)).body;
    const object = env.USER_AUTHORITY.getByName(String(user.id));
    await runInDurableObject(object, (_object, state) => state.storage.deleteAll());
    await evictDurableObject(object);
    passSeconds(6);
    expect((await use(key)).status).toBe(200);
    const names = () =>
      runInDurableObject(object, (_object, { storage }) =>
        storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'limits'").toArray(),
      );
    expect(await names()).toHaveLength(1);
    expect(await runDurableObjectAlarm(object)).toBe(true);
    expect(await names(), "it counts").toHaveLength(1);
    passSeconds(66);
    expect(await runDurableObjectAlarm(object)).toBe(true);
    expect(await names()).toHaveLength(0);
  });
});

describe("making one", () => {
  it("wants a name, permissions that the owner has, and an end in the future", async () => {
    const user = await register();
    const wrong = [
      { name: "" },
      { name: 1 },
      { name: "a\nb" },
      { name: "x".repeat(101) },
      { permissions: [] },
      { permissions: "profile:read" },
      { permissions: ["profile"] },
      { expires_at: "tomorrow" },
      { expires_at: "2020-01-01T00:00:00Z" },
      { expires_at: 1 },
      { expires_at: 1e15 },
      { expires_at: true },
    ];
    for (const body of wrong) expect((await make(user, body)).status, JSON.stringify(body)).toBe(400);
    for (const permission of ["*:*", "tokens:introspect", "profile:*", "files:delete"]) {
      expect((await make(user, { permissions: [permission] })).body.code).toBe("permission_denied");
    }
    expect((await askAs(user, PATH)).body.api_keys).toEqual([]);
  });

  it("makes 25 at most, however many ask at once", async () => {
    const user = await register();
    const answers = await Promise.all(Array.from({ length: 30 }, () => make(user)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(25);
    expect(answers.filter(({ body }) => body.code === "too_many")).toHaveLength(5);
    await mailed(user.email, MADE, 3);
    await handOver(objectOf(user));
    expect(await mailed(user.email, MADE), "no stranger's address is flooded").toHaveLength(3);
  });
});
