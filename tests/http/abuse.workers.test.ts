/** Abuse of one address (contract §2, §3, §6): what is seen, what follows, and what it does not touch. */
import { runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { trail } from "../support/audit.ts";
import {
  type Answer,
  ask,
  login,
  ORIGIN,
  PASSWORD,
  refresh,
  register,
  unique,
  uniqueAddress,
} from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { unreachable } from "../support/faults.ts";
import { resetToken } from "../support/mail.ts";
import { forged } from "../support/oauth.ts";
import { askUnder } from "../support/settings.ts";

afterEach(stopClock);

const operator = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
const BLOCKS = "/api/admin/security/blocks";
const blocked = { status: 403, body: { code: "address_blocked", error: "Access temporarily blocked" } };

const attempt = (address: string, username: string, password = "not this one"): Promise<Answer> =>
  ask("/api/accounts/login", { body: { username, password }, address });
const wrongOnes = async (address: string, count: number) => {
  for (let i = 0; i < count; i += 1) expect((await attempt(address, unique("nobody"))).status).toBe(401);
};
const listed = async (address: string) => {
  const { body } = await ask(BLOCKS, { headers: operator, address: uniqueAddress() });
  return body.blocks.find((one: { ip: string }) => one.ip === address);
};
const eventsOf = (address: string, count: number) =>
  trail("json_extract(details, '$.address') = ?", [address], count);
const badToken = (address: string, i: number) =>
  ask("/api/accounts/user", { address, token: `forged.token.${i}` });
const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

describe("rapid login attempts: five failures in five minutes from one address", () => {
  it("block it for five minutes, to the second, and are an event with its evidence", async () => {
    const user = await register();
    const address = uniqueAddress();
    passSeconds(0); // the clock stands still from here on
    await wrongOnes(address, 5);
    const refused = await attempt(address, user.username, PASSWORD);
    expect(refused).toMatchObject(blocked);
    expect(refused.headers.get("Retry-After")).toBe("300");
    expect(await listed(address)).toMatchObject({ scope: "guesses", cause: "rapid_login" });
    const [event] = await eventsOf(address, 1);
    expect(event).toMatchObject({ type: "rapid_login_attempts", risk: "high", reason: "block" });
    expect(JSON.parse(String(event?.details))).toMatchObject({ failures: 5, distinct_accounts: 5 });
    passSeconds(299);
    expect(await attempt(address, user.username, PASSWORD)).toMatchObject(blocked);
    passSeconds(1);
    expect((await attempt(address, user.username, PASSWORD)).status).toBe(200);
  });

  it("leave sessions, refreshes and other addresses alone", async () => {
    const user = await register();
    await wrongOnes(user.address, 5);
    expect((await ask("/api/accounts/user", { token: user.access, address: user.address })).status).toBe(200);
    expect((await refresh(user.refresh, { address: user.address })).status).toBe(200);
    expect((await attempt(uniqueAddress(), user.username, PASSWORD)).status).toBe(200);
  });

  it("every request that they refuse is counted in the trail", async () => {
    const address = uniqueAddress();
    await wrongOnes(address, 5);
    const refused = await Promise.all(Array.from({ length: 6 }, () => attempt(address, unique("nobody"))));
    for (const answer of refused) expect(answer).toMatchObject(blocked);
    const query = `SELECT coalesce(sum(coalesce(details ->> '$.count', 1)), 0) AS n FROM audit_events
      WHERE type = 'request_blocked' AND risk = 'low' AND actor IS NULL AND ip = ?`;
    await vi.waitFor(
      async () => expect(await env.DB.prepare(query).bind(address).first()).toEqual({ n: 6 }),
      { timeout: 10_000 },
    );
  });

  it("of many at once, five at most are evaluated", async () => {
    const address = uniqueAddress();
    const answers = await Promise.all(Array.from({ length: 50 }, () => attempt(address, unique("nobody"))));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 403 || status === 429)).toHaveLength(45);
  });

  it("at one account are its own lockout's: 429, also after an unlock; but no other may be tried", async () => {
    const user = await register();
    const other = await register();
    const address = uniqueAddress();
    for (let i = 0; i < 5; i += 1) expect((await attempt(address, user.username)).status).toBe(401);
    expect((await attempt(address, user.username, PASSWORD)).body.code).toBe("account_locked");
    await ask(`/api/admin/users/${user.id}/unlock`, { method: "POST", headers: operator });
    expect((await attempt(address, user.username, PASSWORD)).status).toBe(200);

    const elsewhere = uniqueAddress();
    for (let i = 0; i < 5; i += 1) await attempt(elsewhere, user.username);
    const [alone] = await eventsOf(elsewhere, 1);
    expect(alone).toMatchObject({ type: "rapid_login_attempts", reason: "lockout" });
    expect(JSON.parse(String(alone?.details))).toMatchObject({ distinct_accounts: 1, action_seconds: null });
    expect(await attempt(elsewhere, other.username, PASSWORD)).toMatchObject(blocked);
  });

  it("right ones of ten people at once all get their turn; of eleven, as many as RATE_LIMIT_AUTH admits", async () => {
    const users = await Promise.all(Array.from({ length: 11 }, () => register()));
    for (const people of [users.slice(0, 10), users]) {
      const address = uniqueAddress();
      const answers = await Promise.all(people.map(({ username }) => attempt(address, username, PASSWORD)));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
      const refused = answers.filter(({ status }) => status !== 200);
      for (const answer of refused) {
        expect(answer.body.code).toBe("rate_limited");
        expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(290);
      }
    }
  });

  it("are forgotten by a success at the same account, and by no other", async () => {
    const user = await register();
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < 3; i += 1) expect((await attempt(user.address, user.username)).status).toBe(401);
      expect((await attempt(user.address, user.username, PASSWORD)).status).toBe(200);
      await settled();
    }
    const other = uniqueAddress();
    await wrongOnes(other, 4);
    expect((await attempt(other, user.username, PASSWORD)).status).toBe(200);
    await settled();
    await wrongOnes(other, 1);
    expect(await attempt(other, user.username, PASSWORD)).toMatchObject(blocked);
  });
});

describe("NAT: people behind one address", () => {
  it("who each mistype once and then get it right are never hindered, though ten who only mistyped would be a spray", async () => {
    const office = uniqueAddress();
    const people = [];
    for (let i = 0; i < 12; i += 1) people.push(await register());
    passSeconds(0);
    for (const { username } of people) {
      expect((await attempt(office, username)).status).toBe(401);
      expect((await attempt(office, username, PASSWORD)).status).toBe(200);
      await settled();
      passSeconds(75); // so that they keep within the limit on logins
    }
  });

  it("keep their sessions while a neighbour who guesses is blocked, and may sign in when that ends", async () => {
    const office = uniqueAddress();
    const colleague = await register();
    const session = await login({ ...colleague, address: office });
    passSeconds(0);
    await wrongOnes(office, 5);
    expect((await ask("/api/accounts/user", { token: session.access, address: office })).status).toBe(200);
    expect((await refresh(session.refresh, { address: office })).status).toBe(200);
    expect(await attempt(office, colleague.username, PASSWORD)).toMatchObject(blocked);
    passSeconds(300);
    expect((await attempt(office, colleague.username, PASSWORD)).status).toBe(200);
  });
});

it("RL-05: ten distinct accounts within an hour ban the address for a day", async () => {
  const user = await register();
  passSeconds(0);
  await wrongOnes(user.address, 5);
  passSeconds(300);
  await wrongOnes(user.address, 5);
  const refused = await ask("/api/accounts/user", { token: user.access, address: user.address });
  expect(refused).toMatchObject(blocked);
  expect(refused.headers.get("Retry-After")).toBe("86400");
  expect((await ask("/api/health", { address: user.address })).status).toBe(200);
  const types = (await eventsOf(user.address, 3)).map(({ type }) => type);
  expect(types.sort()).toEqual(["password_spray", "rapid_login_attempts", "rapid_login_attempts"]);
});

describe("token brute force: twenty tokens that are none of ours within half an hour", () => {
  it("ban the address for twelve hours", async () => {
    const user = await register();
    for (let i = 0; i < 20; i += 1) expect((await badToken(user.address, i)).status).toBe(401);
    await settled();
    const refused = await refresh(user.refresh, { address: user.address });
    expect(refused).toMatchObject(blocked);
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(43_190);
    expect(await listed(user.address)).toMatchObject({ scope: "everything", cause: "token_brute_force" });
  });

  it("of a hundred at once exactly twenty are looked at, and it is one event", async () => {
    const address = uniqueAddress();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => badToken(address, i)));
    const codes = answers.map(({ status, body }) => `${status} ${body.code}`).sort();
    expect(codes).toEqual([
      ...Array.from({ length: 20 }, () => "401 invalid_access_token"),
      ...Array.from({ length: 80 }, () => "403 address_blocked"),
    ]);
    expect(await eventsOf(address, 1)).toMatchObject([{ type: "token_brute_force", reason: "ban" }]);
  });

  it("of sixty-five at once under a step that stops nothing, one event comes, and no further step", async () => {
    const warned = askUnder({ ABUSE_TOKEN_BRUTE_FORCE_ACTION: "warn,block/300,ban/3600" });
    const address = uniqueAddress();
    const answers = await Promise.all(
      Array.from({ length: 65 }, (_, i) => warned("/api/accounts/user", { address, token: `forged.${i}.x` })),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(65);
    expect(await eventsOf(address, 1)).toMatchObject([{ type: "token_brute_force", reason: "warn" }]);
  });

  it("so do mailed tokens that were never made or for something else, and forged tokens of a second step", async () => {
    const user = await register();
    const patient = askUnder({ RATE_LIMIT_AUTH: "1000/300" });
    const { address } = user;
    const elsewhere = await resetToken(user.email);
    const ways: [string, object][] = [
      ["/api/accounts/login/mfa", { mfa_token: "forged.mfa.token", code: "123456" }],
      ["/api/accounts/password/reset/confirm", { token: "A".repeat(43), new_password: "a new harbour 31" }],
      ["/api/accounts/email/verify", { token: elsewhere }],
      ["/api/accounts/unlock", { token: "no form of one" }],
    ];
    for (let i = 0; i < 20; i += 1) {
      const [path, body] = ways[i % ways.length] ?? ways[0] ?? ["", {}];
      expect([400, 401]).toContain((await patient(path, { body, address })).status);
    }
    expect(await ask("/api/accounts/user", { token: user.access, address })).toMatchObject(blocked);
  });

  it("a mailed token that is used or expired is no guess", async () => {
    const user = await register();
    const patient = askUnder({ RATE_LIMIT_AUTH: "1000/300" });
    const { address } = user;
    const token = await resetToken(user.email);
    const body = { token, new_password: "another quiet harbour 28" };
    expect((await patient("/api/accounts/password/reset/confirm", { body, address })).status).toBe(200);
    for (let i = 0; i < 21; i += 1)
      expect((await patient("/api/accounts/password/reset/confirm", { body, address })).status).toBe(400);
    expect((await ask("/api/accounts/user", { address })).status).toBe(401);
  });

  it("with the guard out of reach a bad token is a bad token", async () => {
    const blind = askUnder({ IP_GUARD: unreachable() });
    const answer = await blind("/api/accounts/user", { token: "forged.token.x", address: uniqueAddress() });
    expect(answer).toMatchObject({ status: 401, body: { code: "invalid_access_token" } });
  });

  it("forged refresh tokens and wrong operator tokens count, too", async () => {
    const user = await register();
    for (let i = 0; i < 10; i += 1) {
      await refresh(forged(user.refresh), { address: user.address });
      await ask(i % 2 === 0 ? BLOCKS : "/metrics", { token: `wrong-operator-${i}`, address: user.address });
    }
    await settled();
    expect(await ask("/api/accounts/user", { address: user.address })).toMatchObject(blocked);
  });

  it("so do API keys that have not the form of one", async () => {
    const address = uniqueAddress();
    for (let i = 0; i < 20; i += 1) await ask("/api/accounts/user", { token: `sak_guess_${i}`, address });
    await settled();
    expect(await ask("/api/accounts/user", { address })).toMatchObject(blocked);
  });

  it("no token, an expired, a revoked or a swapped one never count, nor one that is asked about", async () => {
    const user = await register();
    const second = await login(user);
    await ask("/api/accounts/logout", { method: "POST", token: second.access, address: user.address });
    passSeconds(601);
    for (let i = 0; i < 8; i += 1) {
      await ask("/api/accounts/user", { address: user.address });
      await ask("/api/accounts/user", { token: user.access, address: user.address });
      await ask("/api/accounts/user", { token: user.refresh, address: user.address });
      await refresh(second.refresh, { address: user.address });
      await refresh(user.access, { address: user.address });
      await ask("/api/accounts/token/verify", { body: { token: `asked.about.${i}` }, address: user.address });
    }
    await settled();
    expect((await ask("/api/accounts/user", { address: user.address })).status).toBe(401);
  });

  it("are counted whatever Origin they name, where a page of that origin could not have sent them", async () => {
    const headers = { Origin: "https://evil.example" };
    const sent = [
      (address: string, i: number) => ask("/metrics", { token: `guess-${i}`, headers, address }),
      (address: string, i: number) =>
        ask("/api/accounts/user", { token: `sak_guess_${i}`, headers, address }),
      (address: string, i: number) => refresh(`forged.by.${i}`, { headers, address }),
      (address: string, i: number) => {
        const form = { ...headers, "Content-Type": "application/x-www-form-urlencoded" };
        return ask("/oauth/introspect", { rawBody: "token=x", token: `guess-${i}`, headers: form, address });
      },
    ];
    for (const [which, send] of sent.entries()) {
      const address = uniqueAddress();
      for (let i = 0; i < 20; i += 1) expect((await send(address, i)).status, `${which}`).toBe(401);
      await settled();
      expect(await ask("/api/accounts/user", { address }), `${which}`).toMatchObject(blocked);
    }
  });

  it("a page of a foreign origin gets no visitor's address banned", async () => {
    const address = uniqueAddress();
    for (let i = 0; i < 25; i += 1) {
      await ask("/oauth/token", {
        rawBody: `grant_type=refresh_token&refresh_token=forged.by.${i}`,
        headers: { "Content-Type": "application/x-www-form-urlencoded", Origin: "https://evil.example" },
        address,
      });
    }
    await settled();
    expect((await ask("/api/accounts/user", { address })).status).toBe(401);
  });
});

describe("guesses at an admin's or the operator's credential", () => {
  const impose = (ip: string) =>
    ask(BLOCKS, { body: { ip, seconds: 600, reason: "test" }, headers: operator, address: uniqueAddress() });

  it("from a banned address are told that it is banned, also where a right one lifts the ban", async () => {
    const user = await register();
    expect((await impose(user.address)).status).toBe(201);
    for (const token of ["wrong-operator", "sak_wrong", user.access, undefined]) {
      const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
      expect(await ask(BLOCKS, { headers, address: user.address })).toMatchObject(blocked);
    }
    const path = `${BLOCKS}/${user.address}`;
    const lift = (headers: Record<string, string>) =>
      ask(path, { method: "DELETE", headers, address: user.address });
    expect(await lift({ Authorization: "Bearer wrong" })).toMatchObject(blocked);
    expect((await lift(operator)).status).toBe(204);
    expect((await ask(BLOCKS, { token: "wrong-operator", address: user.address })).status).toBe(401);
  });

  it("are found out at the guard where this isolate has not heard of the ban, which may be down", async () => {
    const address = uniqueAddress();
    const get = (name: string) => env.IP_GUARD.getByName(name);
    await get(address).impose({
      ...{ address, seconds: 600, reason: "test", actor: "operator", requestId: unique("request") },
      client: { ip: address, country: null, userAgent: null },
    });
    const IP_GUARD = {
      getByName: () => new Proxy({}, { get: () => () => Promise.reject(new Error("down")) }),
    };
    const wrong = { token: "wrong-operator", address };
    expect((await askUnder({ IP_GUARD })(BLOCKS, wrong)).status).toBe(401);
    expect(await ask(BLOCKS, wrong)).toMatchObject(blocked);
  });

  it("are one event an address and hour, also with ABUSE_TOKEN_BRUTE_FORCE off; an expired token is none", async () => {
    const user = await register();
    const [address, other] = [uniqueAddress(), uniqueAddress()];
    const askCalmly = askUnder({ ABUSE_TOKEN_BRUTE_FORCE: "off" });
    const hourStart = 3_100_000_000 - (3_100_000_000 % 3600);
    passSeconds(hourStart - Math.floor(Date.now() / 1000));
    for (let i = 0; i < 3; i += 1) {
      await askCalmly("/metrics", { token: `guess-${i}`, address });
      await askCalmly(BLOCKS, { token: `sak_guess-${i}`, address });
      await askCalmly(BLOCKS, { token: user.access, address: other });
      await askCalmly("/api/accounts/user", { token: `guess-${i}`, address: other });
    }
    const told = (count: number) =>
      trail("type = 'admin_action_refused' AND ip IN (?, ?)", [address, other], count);
    expect(await told(1)).toMatchObject([
      { ip: address, user_id: null, reason: "wrong_credential", details: '{"action":"GET /metrics"}' },
    ]);
    passSeconds(3600);
    await askCalmly(BLOCKS, { token: "guess", address });
    expect(await told(2)).toHaveLength(2);
  });
});

it("no block falls on an address that is missing, not by a login either", async () => {
  const user = await register();
  const block = { ip: "127.0.0.1", seconds: 60, reason: "a test" };
  await ask(BLOCKS, { body: block, headers: operator, address: uniqueAddress() });
  try {
    const request = new Request(`${ORIGIN}/api/accounts/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username: user.username, password: PASSWORD }),
    });
    expect((await exports.default.fetch(request)).status).toBe(200);
  } finally {
    await ask(`${BLOCKS}/127.0.0.1`, { method: "DELETE", headers: operator, address: uniqueAddress() });
  }
});

it("a guard that sees no failure has no table for it", async () => {
  const user = await register();
  await login(user);
  const tables = await runInDurableObject(env.IP_GUARD.getByName(user.address), (_object, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'abuse'").toArray(),
  );
  expect(tables).toEqual([]);
});

describe("the platform's own limiter", () => {
  it("where it is configured, refuses before the guard is asked; out of order it refuses nobody", async () => {
    const IP_GUARD = {
      getByName: () => new Proxy({}, { get: () => () => Promise.reject(new Error("asked")) }),
    };
    const full = { SIEVE: { limit: async () => ({ success: false }) }, IP_GUARD };
    const address = uniqueAddress();
    const refused = await askUnder(full)("/api/accounts/user", { address });
    expect(refused).toMatchObject({ status: 429, body: { code: "rate_limited", retry_after: 60 } });
    const broken = { SIEVE: { limit: () => Promise.reject(new Error("down")) } };
    expect((await askUnder(broken)("/api/accounts/user", { address })).status).toBe(401);
  });
});

it("ENU-01: wrong, unknown and blocked are the same for names that exist and names that do not", async () => {
  const user = await register();
  for (const name of [user.username, unique("nobody")]) {
    const address = uniqueAddress();
    const first = await attempt(address, name);
    await wrongOnes(address, 4);
    const last = await attempt(address, name);
    expect([first.body.code, last.body.code]).toEqual(["invalid_credentials", "address_blocked"]);
  }
});
