import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { type Answer, PASSWORD, register, unique, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith } from "../support/faults.ts";
import { askUnder, NO_ABUSE } from "../support/settings.ts";

afterEach(stopClock);

const ask = askUnder(NO_ABUSE);

const admitted = (answers: Answer[]) => answers.filter(({ status }) => status !== 429).length;
const many = (count: number, one: () => Promise<Answer>) => Promise.all(Array.from({ length: count }, one));

const login = (address: string) => () =>
  ask("/api/accounts/login", { body: { username: unique("nobody"), password: "x" }, address });
/** Counts to the same limit and hashes nothing. */
const verification = (address: string) => () =>
  ask("/api/accounts/email/verify", { body: { token: "x" }, address });
const refresh = (address: string) => () =>
  ask("/api/accounts/token/refresh", { body: { refresh_token: "x" }, address });
const registration = (address: string) => () =>
  ask("/api/accounts/register", {
    body: { username: unique("r"), password: PASSWORD, password2: PASSWORD },
    address,
  });

describe("RL-01: a limit admits exactly its number of concurrent requests", () => {
  it.each([
    ["RATE_LIMIT_IP", 100, (address: string) => () => ask("/api/accounts/user", { address })],
    ["RATE_LIMIT_AUTH", 10, login],
    ["RATE_LIMIT_REFRESH", 60, refresh],
    ["RATE_LIMIT_REGISTER", 3, registration],
  ])("%s: %i", async (_name, limit, request) => {
    const answers = await many(Math.min(limit * 10, 300), request(uniqueAddress()));
    expect(admitted(answers)).toBe(limit);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({ code: "rate_limited", error: "Rate limit exceeded" });
    expect(Number(refused?.headers.get("Retry-After"))).toBe(refused?.body.retry_after);
    expect(refused?.headers.get("X-RateLimit-Remaining")).toBe("0");
  });
});

it("RL-03: just before Retry-After a request is refused, just after it passes, over several periods", async () => {
  const address = uniqueAddress();
  for (let period = 0; period < 3; period += 1) {
    passSeconds(0); // the clock stands still from here on
    const answers = await many(20, verification(address));
    expect(admitted(answers)).toBe(10);
    const retryAfter = Number(answers.find(({ status }) => status === 429)?.headers.get("Retry-After"));
    expect(retryAfter).toBe(300);
    passSeconds(retryAfter - 1);
    expect((await verification(address)()).status).toBe(429);
    passSeconds(1);
    expect((await verification(address)()).status).toBe(400);
    passSeconds(300);
  }
});

it("RL-04: classes are independent: reading the account never eats the login budget", async () => {
  const user = await register();
  const { address } = user;
  await many(40, () => ask("/api/accounts/user", { token: user.access, address }));
  const answer = await login(address)();
  expect(answer.headers.get("RateLimit-Policy")).toBe('"ip";q=100;w=60, "auth";q=10;w=300');
  expect(answer.headers.get("RateLimit")).toMatch(/"ip";r=\d+;t=\d+, "auth";r=9;t=300/);
  expect(answer.headers.get("X-RateLimit-Limit")).toBe("10");
});

it("DUR-06: a request asks its user's object and its address's, and no other that all users share", async () => {
  const user = await register();
  const other = await register();
  const asked = new Set<string>();
  const watched = (namespace: { getByName: (name: string) => object }) => ({
    getByName: (name: string) => {
      asked.add(name);
      return namespace.getByName(name);
    },
  });
  const bindings = { USER_AUTHORITY: watched(env.USER_AUTHORITY), IP_GUARD: watched(env.IP_GUARD) };
  for (const { access, address } of [user, other]) {
    asked.clear();
    const answer = await askWith(bindings, "/api/accounts/user", {
      headers: { Authorization: `Bearer ${access}`, "CF-Connecting-IP": address },
    });
    expect(answer.status).toBe(200);
    expect([...asked].sort()).toEqual([address, String(access === user.access ? user.id : other.id)].sort());
  }
});

it.each(["/api", "/api/", "/oauth", "/oauth/", "/api/nothing"])(
  "%s counts to the address's limit and is kept by no cache",
  async (path) => {
    const answer = await ask(path, { address: uniqueAddress() });
    expect(answer.status).toBe(404);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(answer.headers.get("RateLimit")).toBe('"ip";r=99;t=60');
  },
);

it("a request that one limit refuses is charged to none", async () => {
  const address = uniqueAddress();
  await many(30, verification(address));
  const answer = await ask("/api/accounts/user", { address });
  expect(answer.headers.get("RateLimit"), "10 admitted and this one").toMatch(/"ip";r=89;/);
});

it("a registration that is wrong in itself costs no registration", async () => {
  const address = uniqueAddress();
  for (let i = 0; i < 5; i += 1) {
    const body = { username: unique("typo"), password: PASSWORD, password2: `${PASSWORD}?` };
    expect((await ask("/api/accounts/register", { body, address })).status).toBe(400);
  }
  expect((await registration(address)()).status).toBe(201);
});

describe("RL-02: what counts as one address", () => {
  it("no header but CF-Connecting-IP changes it", async () => {
    const address = uniqueAddress();
    await many(10, verification(address));
    for (const name of [
      "X-Forwarded-For",
      "X-Real-IP",
      "Forwarded",
      "True-Client-IP",
      "CF-Connecting-IPv6",
    ]) {
      const answer = await ask("/api/accounts/email/verify", {
        body: { token: "x" },
        address,
        headers: { [name]: "203.0.113.99" },
      });
      expect(answer.status, name).toBe(429);
    }
  });

  it("IPv6 counts by its /64, IPv4-mapped as IPv4", async () => {
    await many(10, verification("2001:db8:aaaa:1::1"));
    expect((await verification("2001:db8:aaaa:1:ffff::2")()).status).toBe(429);
    expect((await verification("2001:db8:aaaa:2::1")()).status).toBe(400);
    await many(10, verification("203.0.113.200"));
    expect((await verification("::ffff:203.0.113.200")()).status).toBe(429);
  });
});

describe("the guard's storage", () => {
  it("LCK-08, DUR-02: counts survive the object's eviction", async () => {
    const address = uniqueAddress();
    await many(10, verification(address));
    await evictDurableObject(env.IP_GUARD.getByName(address));
    expect((await verification(address)()).status).toBe(429);
  });

  it("RL-07: refused requests write nothing, and an idle object empties itself", async () => {
    const address = uniqueAddress();
    const guard = env.IP_GUARD.getByName(address);
    const rows = () =>
      runInDurableObject(guard, (_object, state) => {
        const tables = state.storage.sql
          .exec("SELECT name FROM sqlite_master WHERE name = 'limits'")
          .toArray();
        return tables.length === 0 ? null : state.storage.sql.exec("SELECT name, log FROM limits").toArray();
      });
    await many(10, verification(address));
    const before = await rows();
    await many(20, verification(address));
    expect(await rows()).toEqual(before);
    passSeconds(301);
    expect(await runDurableObjectAlarm(guard)).toBe(true);
    expect(await rows()).toBeNull();
    expect((await verification(address)()).status).toBe(400);
  });
});
