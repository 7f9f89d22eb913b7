import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { delivered, trail } from "../support/audit.ts";
import { ask, login, PASSWORD, register, type SignedIn, uniqueAddress } from "../support/client.ts";
import { askWith, down } from "../support/faults.ts";
import { objectOf } from "../support/mail.ts";
import { mfaTokenOf, registerProtected, secondStep } from "../support/mfa.ts";

const exportOf = (user: SignedIn) =>
  ask("/api/accounts/export", { token: user.access, address: uniqueAddress() });
const DIGEST = "d".repeat(43);

it("holds what was set: account, profile, sessions with devices, keys, mailed links, events", async () => {
  const user = await register("exported");
  const laptop = await login(user, { device_name: "Ada's laptop" });
  const ended = await login(user);
  await ask(`/api/accounts/sessions/${ended.sid}`, { method: "DELETE", token: user.access });
  const profile = {
    first_name: "Ada",
    last_name: "Lovelace",
    avatar_url: "https://example.com/a.png",
    timezone: "Europe/London",
    language: "en-GB",
  };
  await ask("/api/accounts/user", { method: "PATCH", token: user.access, body: profile });
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO mailed_tokens (digest, user_id, purpose, email, password_version, created_at, expires_at)
       VALUES (?, ?, 'email_change', 'new@example.com', 1, 1, 2)`,
    ).bind(`${user.id}`.padStart(43, "m"), user.id),
    env.DB.prepare(
      `INSERT INTO api_keys (key_id, user_id, name, digest, permissions, created_at, expires_at)
       VALUES (?, ?, 'ci', ?, '["tokens:introspect"]', 1, 2)`,
    ).bind(`key-${user.id}`, user.id, DIGEST),
    env.DB.prepare(
      `INSERT INTO audit_events (id, at, type, risk, user_id, request_id, ip, city, details)
       VALUES (?, 1, 'account_locked', 'high', ?, 'request', '203.0.113.7', 'Nelson', '{"note":"words of an admin"}')`,
    ).bind(`${user.id}.exported`, user.id),
  ]);

  const { status, headers, body, text } = await exportOf(user);
  expect(status).toBe(200);
  expect(headers.get("Content-Disposition")).toContain("attachment");
  expect(headers.get("Cache-Control")).toBe("no-store");
  expect(body.user).toEqual((await ask("/api/accounts/user", { token: user.access })).body.user);
  expect(body.user.profile).toEqual(profile);
  expect(body.emails).toEqual([{ address: user.email, verified: false }]);
  expect(body.second_factor).toEqual({ totp: false, activated_at: null, recovery_codes_left: 0 });
  const sessions = new Map(body.sessions.map((one: { id: string }) => [one.id, one]));
  expect([...sessions.keys()].sort()).toEqual([user.sid, laptop.sid].sort());
  expect(sessions.get(laptop.sid)).toMatchObject({
    device: "Ada's laptop",
    ip: user.address,
    current: false,
  });
  expect(sessions.get(user.sid)).toMatchObject({ current: true, events: [{ type: "began" }] });
  expect(body.ended_sessions).toMatchObject([
    {
      id: ended.sid,
      current: false,
      ip: user.address,
      events: [{ type: "began" }, { type: "ended", reason: "ended_by_owner" }],
    },
  ]);
  expect(body.api_keys).toEqual([
    {
      key_id: `key-${user.id}`,
      name: "ci",
      permissions: ["tokens:introspect"],
      created_at: "1970-01-01T00:00:01.000Z",
      expires_at: "1970-01-01T00:00:02.000Z",
      last_used_at: null,
    },
  ]);
  // Beside it, perhaps already, the link that the registration caused.
  expect(body.mailed_links).toContainEqual(
    expect.objectContaining({ purpose: "email_change", email: "new@example.com" }),
  );
  expect(body.security_events).toContainEqual(
    expect.objectContaining({
      ...{ type: "account_locked", risk: "high", request_id: "request" },
      ...{ ip: "203.0.113.7", city: "Nelson" },
    }),
  );
  expect(body.security_events_truncated).toBe(false);

  const row = await env.DB.prepare("SELECT password_hash FROM users WHERE id = ?")
    .bind(user.id)
    .first<{ password_hash: string }>();
  const secrets = [row?.password_hash ?? "", PASSWORD, user.access, user.refresh, laptop.refresh, DIGEST];
  for (const secret of [...secrets, `${user.id}`.padStart(43, "m"), "argon2", "words of an admin"])
    expect(text).not.toContain(secret);
});

it("holds the second factor and what Django had signed in, without a secret of either", async () => {
  const user = await registerProtected();
  const digest = `${user.id}`.padStart(43, "s");
  await env.DB.prepare("INSERT INTO django_sessions VALUES (?, ?, 'signed text', 5, 3)")
    .bind(digest, user.id)
    .run();
  expect((await secondStep(await mfaTokenOf(user), user.recovery[0])).status).toBe(200);
  await delivered(objectOf(user));
  const { body, text } = await exportOf(user);
  expect(body.second_factor).toEqual({
    totp: true,
    activated_at: expect.stringMatching(/^20\d\d-.*Z$/),
    recovery_codes_left: 9,
  });
  expect(body.django_sessions).toEqual([
    { expires_at: "1970-01-01T00:00:05.000Z", exchanged_at: "1970-01-01T00:00:03.000Z" },
  ]);
  const row = await env.DB.prepare("SELECT secret, recovery_digests FROM totp WHERE user_id = ?")
    .bind(user.id)
    .first<{ secret: string; recovery_digests: string }>();
  const digests = JSON.parse(row?.recovery_digests ?? "[]") as string[];
  expect(digests).toHaveLength(9);
  for (const secret of [user.secret, row?.secret ?? "", ...digests, ...user.recovery, digest, "signed text"])
    expect(text).not.toContain(secret);
});

it("holds the newest 10,000 events and says that there are more; and the next one holds the export itself", async () => {
  const user = await register();
  await env.DB.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
     INSERT INTO audit_events (id, at, type, risk, user_id) SELECT ?1 || '.' || i, i, 'account_locked', 'high', ?1 FROM n`,
  )
    .bind(user.id)
    .run();
  const { body } = await exportOf(user);
  expect(body.security_events).toHaveLength(10_000);
  expect(body.security_events_truncated).toBe(true);
  expect(body.security_events.at(-1).at).toBe("1970-01-01T00:00:02.000Z");
  const told = await trail("user_id = ? AND type = 'account_exported'", [user.id], 1);
  expect(told).toMatchObject([{ actor: `user:${user.id}` }]);
  expect((await exportOf(user)).body.security_events).toContainEqual(
    expect.objectContaining({
      type: "account_exported",
      session_id: user.sid,
    }),
  );
});

it("all sessions ended by one move of the epoch are told as ended, and why", async () => {
  const user = await register();
  await ask("/api/accounts/logout", { method: "POST", token: user.access });
  const { body } = await exportOf(await login(user));
  expect(body.sessions).toHaveLength(1);
  expect(body.ended_sessions).toMatchObject([
    { id: user.sid, events: [{ type: "began" }, { type: "ended", reason: "logout" }] },
  ]);
});

it("RL-04: taking along what one has costs no login of one's address", async () => {
  const user = await register();
  const one = { token: user.access, address: user.address };
  for (let i = 0; i < 11; i += 1) expect((await ask("/api/accounts/export", one)).status).toBe(200);
  expect((await login(user)).sid).toBeDefined();
});

it("is one's own, confirmed at this moment, and 503 while a part is down", async () => {
  const [user, other] = [await register("mine"), await register("other")];
  const { text } = await exportOf(user);
  expect(text).not.toContain(other.username);
  expect((await ask("/api/accounts/export")).body.code).toBe("token_required");
  expect((await ask("/api/accounts/export", { token: user.refresh })).body.code).toBe("invalid_access_token");
  const headers = { Authorization: `Bearer ${user.access}`, "CF-Connecting-IP": uniqueAddress() };
  expect((await askWith({ DB: down() }, "/api/accounts/export", { headers })).status).toBe(503);
  await ask("/api/accounts/logout", { method: "POST", token: user.access });
  expect((await exportOf(user)).body.code).toBe("access_token_revoked");
});
