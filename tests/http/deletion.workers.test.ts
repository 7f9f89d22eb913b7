import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { readConfig } from "../../schema/config.ts";
import { mailerOf } from "../../worker/mail/mailer.ts";
import { scheduled } from "../../worker/scheduled.ts";
import { asOperator } from "../support/admin.ts";
import { delivered, notable, trail } from "../support/audit.ts";
import {
  type Ask,
  ask,
  login,
  PASSWORD,
  refresh,
  register,
  type SignedIn,
  uniqueAddress,
} from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { dumpDatabase, dumpObject, tablesOfDatabase } from "../support/dump.ts";
import { askWith, down, failing, unreachable } from "../support/faults.ts";
import { addressObject, askForReset, mailed, outbox, RESET, VERIFY } from "../support/mail.ts";
import { registerProtected } from "../support/mfa.ts";
import { codeOf, wrongCode } from "../support/totp.ts";

afterEach(stopClock);

const remove = (user: SignedIn, body: unknown = { password: PASSWORD }, options: Ask = {}) =>
  ask("/api/accounts/user", {
    method: "DELETE",
    token: user.access,
    address: uniqueAddress(),
    body,
    ...options,
  });
const signIn = (username: string, options: Ask = {}) =>
  ask("/api/accounts/login", {
    body: { username, password: PASSWORD },
    address: uniqueAddress(),
    ...options,
  });
const count = async (table: string, id: number) =>
  (
    await env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE user_id = ?`)
      .bind(id)
      .first<{ n: number }>()
  )?.n;
const rowOf = (id: number) => env.DB.prepare("SELECT is_active FROM users WHERE id = ?").bind(id).first();
const objectOf = ({ id }: { id: number }) => env.USER_AUTHORITY.getByName(String(id));
const configOf = () => {
  const reading = readConfig(env);
  if (reading.kind === "wrong") throw new Error("the settings are wrong");
  return reading.config;
};
const runCron = (cron = "") =>
  scheduled({ scheduledTime: Date.now(), cron, noRetry: () => undefined } as ScheduledController, env);

function event(userId: number, id: string) {
  return env.DB.prepare(
    `INSERT INTO audit_events (id, at, type, risk, user_id, reason, request_id, ip, country, city, user_agent, details)
     VALUES (?, 1, 'account_locked', 'high', ?, 'threshold', 'request', '203.0.113.7', 'NZ', 'Nelson', 'Agent of Ada',
       '{"actor":"user:7","note":"Ada asked"}')`,
  ).bind(id, userId);
}

describe("an account that is deleted", () => {
  it("REV-05: is gone with every session, and answers as if it had never been", async () => {
    const user = await register("gone");
    const other = await login(user);
    await ask("/api/accounts/user", { method: "PATCH", token: user.access, body: { first_name: "Ada" } });
    const now = Math.floor(Date.now() / 1000);
    await env.DB.batch([
      env.DB.prepare(
        `INSERT INTO mailed_tokens (digest, user_id, purpose, email, password_version, created_at, expires_at)
         VALUES (?, ?, 'password_reset', ?, 1, ?, ?)`,
      ).bind(`${user.id}`.padStart(43, "x"), user.id, user.email, now, now + 60),
      env.DB.prepare(
        "INSERT INTO api_keys (key_id, user_id, name, digest, permissions, created_at) VALUES (?, ?, 'ci', 'd', '[]', ?)",
      ).bind(`key-${user.id}`, user.id, now),
    ]);

    const answer = await remove(user);
    expect(answer).toMatchObject({ status: 204, text: "" });
    for (const one of [user, other]) {
      expect((await ask("/api/accounts/user", { token: one.access })).body.code).toBe("access_token_revoked");
      expect((await refresh(one.refresh)).body.code).toBe("refresh_token_revoked");
    }
    expect((await signIn(user.username)).body.code).toBe("invalid_credentials");
    expect((await signIn(user.email)).body.code).toBe("invalid_credentials");
    expect(await rowOf(user.id)).toBeNull();
    for (const table of ["profiles", "mailed_tokens", "api_keys"])
      expect(await count(table, user.id)).toBe(0);
    expect((await remove(user)).body.code).toBe("access_token_revoked");
    const operator = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
    const path = `/api/admin/users/${user.id}/revoke-sessions`;
    expect((await ask(path, { body: {}, headers: operator, address: uniqueAddress() })).status).toBe(404);
  });

  it("leaves nothing of the user in the object but the id, and KV denies the tokens", async () => {
    const user = await register("erased");
    await ask("/api/accounts/login", { body: { username: user.username, password: "wrong" } });
    await remove(user);
    await delivered(objectOf(user));
    const left = await runInDurableObject(objectOf(user), (_object, { storage: { sql } }) =>
      sql
        .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_*'")
        .toArray()
        .flatMap(({ name }) => sql.exec(`SELECT * FROM ${name}`).toArray()),
    );
    expect(left).toHaveLength(1);
    expect(left[0]).toMatchObject({ user_id: user.id, username: "", email: null, is_active: 0 });
    expect(JSON.stringify(left)).not.toContain(user.username);
    expect(await env.REVOCATIONS.get(`revoked:${user.id}`)).toContain('"epoch"');
  });

  it("leaves its name and address in no table, and rows in those alone that outlive a user", async () => {
    const user = await registerProtected("trace");
    const { id } = user;
    const body = { name: "ci", permissions: ["profile:read"] };
    await ask("/api/accounts/api-keys", { token: user.access, address: uniqueAddress(), body });
    await ask("/api/accounts/user", {
      method: "PATCH",
      token: user.access,
      address: uniqueAddress(),
      body: { last_name: user.username },
    });
    await askForReset(user.email);
    await mailed(user.email, RESET);
    const add = (sql: string) => env.DB.prepare(sql).bind(id);
    await env.DB.batch([
      add("INSERT INTO imported_users VALUES (?1, 'a', 'b', 'c', 5, 'd')"),
      add("INSERT INTO django_refused VALUES (?1)"),
      add(
        `INSERT INTO django_sessions VALUES (substr('${"s".repeat(43)}' || ?1, -43), ?1, 'signed', 99, NULL)`,
      ),
      add("INSERT INTO django_tokens VALUES ('jti-' || ?1, ?1, 99, 0)"),
      add("INSERT INTO user_changes (user_id, version, actor, at) VALUES (?1, 1, 'operator', 99999999999)"),
    ]);
    const ofUser: string[] = [];
    for (const table of await tablesOfDatabase()) {
      const columns = await env.DB.prepare(`SELECT name FROM pragma_table_info('${table}')`).all();
      if (columns.results.some(({ name }) => name === "user_id")) ofUser.push(table);
    }
    for (const table of ofUser.filter((name) => name !== "deletions"))
      expect(await count(table, id), `${table}, before`).toBeGreaterThan(0);

    expect((await remove(user, { password: PASSWORD, code: codeOf(user.secret) })).status).toBe(204);
    await delivered(objectOf(user));
    const kept = ["audit_events", "deletions", "django_tokens", "imported_users"];
    for (const table of ofUser.filter((name) => !kept.includes(name)))
      expect(await count(table, id), table).toBe(0);
    const imported = await env.DB.prepare("SELECT * FROM imported_users WHERE user_id = ?").bind(id).first();
    expect(Object.values(imported ?? {}).filter((value) => value !== null && value !== "")).toEqual([id]);
    const everything = [
      await dumpDatabase(),
      await dumpObject(objectOf(user)),
      await dumpObject(await addressObject(user.email)),
    ].join();
    expect(everything).not.toContain(user.username);
  });

  it("takes its mail along: what was sent, what waits, and what is just being sent", async () => {
    const user = await register("writer");
    const elsewhere = `new-${user.email}`;
    const body = { email: elsewhere, password: PASSWORD };
    await ask("/api/accounts/email/change", { token: user.access, address: uniqueAddress(), body });
    expect(await mailed(elsewhere, /new email/)).toHaveLength(1);
    expect(await mailed(user.email, VERIFY)).toHaveLength(1);
    const waiting = { id: "w".repeat(22), mail: { kind: "email_verify", userId: user.id } } as never;
    await objectOf(user).orderMail(waiting);
    expect((await remove(user)).status).toBe(204);
    expect(await count("dev_outbox", user.id)).toBe(0);
    for (const address of [user.email, elsewhere]) expect(await outbox(address)).toEqual([]);

    // The postman read the user before the deletion, and sends after it.
    const late = { id: "l".repeat(22), userId: user.id, to: user.email };
    const message = { ...late, subject: "late", text: "late", html: "late" };
    await expect(mailerOf(env, configOf()).send(message, 1)).rejects.toThrow();
    await runDurableObjectAlarm(objectOf(user));
    expect(await outbox(user.email)).toEqual([]);
  });

  it("keeps of the audit trail what happened and the id, and forgets from where and all words", async () => {
    const user = await register();
    await event(user.id, `${user.id}.before`).run();
    await remove(user);
    await event(user.id, `${user.id}.late`).run();
    await delivered(objectOf(user));
    const results = await notable(user.id, 3);
    const kept = { at: 1, type: "account_locked", reason: "threshold", request_id: "request" };
    const gone = { ip: null, country: null, city: null, user_agent: null };
    expect(results).toHaveLength(3);
    for (const id of ["before", "late"])
      expect(results).toContainEqual(
        expect.objectContaining({ ...kept, ...gone, id: `${user.id}.${id}`, details: '{"actor":"user:7"}' }),
      );
    expect(results).toContainEqual(
      expect.objectContaining({ type: "account_deleted", ...gone, details: "{}" }),
    );
  });

  it("is forgotten by the trail also where it acted on others: from where, and nothing that is about them", async () => {
    const [actor, other] = [await register("actor"), await register("subject")];
    const acted = (id: string, userId: number | null) =>
      env.DB.prepare(
        `INSERT INTO audit_events (id, at, type, risk, user_id, actor, ip, country, city, colo, user_agent, details)
         VALUES (?, 1, 'sessions_revoked', 'medium', ?, ?, '203.0.113.7', 'NZ', 'Nelson', 'AKL', 'Agent', '{"note":"asked"}')`,
      ).bind(`${actor.id}.${id}`, userId, `user:${actor.id}`);
    await env.DB.batch([
      acted("user", other.id),
      acted("nobody", null),
      event(other.id, `${actor.id}.beside`),
    ]);
    const plan = await env.DB.prepare(
      `EXPLAIN QUERY PLAN UPDATE audit_events SET ip = NULL
       WHERE actor = ? AND actor IS NOT NULL AND actor IS NOT 'user:' || user_id`,
    )
      .bind("user:1")
      .all();
    expect(JSON.stringify(plan.results)).toContain("audit_events_actor");
    expect((await remove(actor)).status).toBe(204);
    await acted("late", other.id).run();
    const { results } = await env.DB.prepare("SELECT * FROM audit_events WHERE id GLOB ? ORDER BY id")
      .bind(`${actor.id}.*`)
      .all();
    const about = new Map(results.map((row) => [row.id, row]));
    const gone = { ip: null, country: null, city: null, colo: null, user_agent: null };
    for (const id of ["user", "nobody", "late"])
      expect(about.get(`${actor.id}.${id}`)).toMatchObject({
        ...gone,
        actor: `user:${actor.id}`,
        details: '{"note":"asked"}',
      });
    expect(about.get(`${actor.id}.beside`), "another actor's").toMatchObject({ ip: "203.0.113.7" });
  });

  it("bequeaths nothing to a later account of the same name", async () => {
    const user = await register("heir");
    const device = (await signIn(user.username)).body.device_token;
    await env.DB.prepare("UPDATE users SET email_verified = 1 WHERE id = ?").bind(user.id).run();
    for (let i = 0; i < 5; i += 1)
      await ask("/api/accounts/login", {
        body: { username: user.username, password: "wrong" },
        address: uniqueAddress(),
      });
    expect((await signIn(user.username)).body.code, "strangers are locked out").toBe("account_locked");
    const headers = { "X-Device-Token": device };
    expect((await remove(user, undefined, { headers })).status).toBe(204);

    const { username, email } = user;
    const body = { username, email, password: PASSWORD, password2: PASSWORD };
    const again = await ask("/api/accounts/register", { body, address: uniqueAddress() });
    expect(again.status).toBe(201);
    expect(again.body.user.id).toBeGreaterThan(user.id);
    const token = again.body.access_token;
    const account = (await ask("/api/accounts/user", { token })).body.user;
    expect(account).toMatchObject({ role: "user", email_verified: false, profile: { first_name: "" } });
    expect((await ask("/api/accounts/sessions", { token })).body.sessions).toHaveLength(1);
    expect((await ask("/api/accounts/user", { token: user.access })).body.code).toBe("access_token_revoked");
    expect((await refresh(user.refresh)).status).toBe(401);
    expect((await signIn(username)).status, "the lockout is the old account's").toBe(200);
    const known = await ask("/api/accounts/login", {
      body: { username, password: "wrong" },
      headers,
      address: uniqueAddress(),
    });
    expect(known.status).toBe(401);
    const tracks = await runInDurableObject(objectOf(again.body.user), (_object, { storage }) =>
      storage.sql.exec<{ track: string }>("SELECT track FROM lockouts").toArray(),
    );
    expect(tracks, "the old device is a stranger").toEqual([{ track: "strangers" }]);
  });

  it("is refused by its object after an eviction, and the object is empty a day later", async () => {
    const user = await register();
    await remove(user);
    await evictDurableObject(objectOf(user));
    expect((await refresh(user.refresh)).status).toBe(401);
    await delivered(objectOf(user));
    passSeconds(86_401);
    await runDurableObjectAlarm(objectOf(user));
    const tables = await runInDurableObject(objectOf(user), (_object, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'account'").toArray(),
    );
    expect(tables).toEqual([]);
  });
});

describe("who may not, and what is wrong", () => {
  it("refuses a wrong password, counts it as a guess (LCK-06), and changes nothing", async () => {
    const user = await register();
    for (let i = 0; i < 5; i += 1)
      expect((await remove(user, { password: "wrong" })).body.code).toBe("invalid_credentials");
    expect(await remove(user)).toMatchObject({ status: 429, body: { code: "account_locked" } });
    expect((await ask("/api/accounts/user", { token: user.access })).status).toBe(200);
  });

  it("refuses wrong types, other tokens and no token, and changes nothing", async () => {
    const user = await register();
    for (const password of [undefined, null, ""])
      expect((await remove(user, { password })).body).toMatchObject({
        code: "missing_fields",
        error: "Password is required",
      });
    for (const password of [1, true, [PASSWORD], { PASSWORD }])
      expect((await remove(user, { password })).body.code).toBe("invalid_request");
    expect((await remove(user, undefined, { rawBody: "{" })).body.code).toBe("malformed_json");
    expect((await remove(user, undefined, { token: user.refresh })).body.code).toBe("invalid_access_token");
    const body = { password: PASSWORD };
    const nobody = await ask("/api/accounts/user", { method: "DELETE", body, address: uniqueAddress() });
    expect(nobody.body.code).toBe("token_required");
    expect((await ask("/api/accounts/user", { token: user.access })).status).toBe(200);
  });

  it("the last admin stays, of two who go at once one stays, and who goes leaves no admin rights behind", async () => {
    const admins = [await register("admin"), await register("admin")];
    await env.DB.prepare("UPDATE users SET role = 'user' WHERE role = 'admin'").run();
    const ids = JSON.stringify(admins.map(({ id }) => id));
    await env.DB.prepare("UPDATE users SET role = 'admin' WHERE id IN (SELECT value FROM json_each(?))")
      .bind(ids)
      .run();
    const answers = await Promise.all(admins.map((admin) => remove(admin)));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409]);
    const [stays] = admins.filter((_admin, index) => answers[index]?.status === 409);
    if (stays === undefined) throw new Error("one stays");
    for (let i = 0; i < 7; i += 1)
      expect((await remove(stays)).body, "and it is no wrong guess").toMatchObject({ code: "last_admin" });
    expect(await rowOf(stays.id)).toEqual({ is_active: 1 });
    await env.DB.prepare("UPDATE users SET role = 'user' WHERE id = ?").bind(stays.id).run();
  });
});

describe("with a second factor", () => {
  it("takes password and code, tells not which was wrong, and takes a code once", async () => {
    const user = await registerProtected();
    expect((await remove(user)).body).toMatchObject({
      code: "missing_fields",
      error: "Password and code are required",
    });
    for (const wrong of [
      { password: PASSWORD, code: wrongCode(user.secret) },
      { password: "wrong", code: codeOf(user.secret) },
    ])
      expect((await remove(user, wrong)).body.code).toBe("invalid_credentials");
    for (const code of [7, ["123456"]])
      expect((await remove(user, { password: PASSWORD, code })).body.code).toBe("invalid_request");
    const spent = { password: PASSWORD, code: codeOf(user.secret, -1) };
    expect((await remove(user, spent)).body.code, "used by the activation").toBe("invalid_credentials");
    expect((await remove(user, { password: PASSWORD, code: codeOf(user.secret) })).status).toBe(204);
    expect(await count("totp", user.id)).toBe(0);
  });

  it("takes a recovery code as well", async () => {
    const user = await registerProtected();
    expect((await remove(user, { password: PASSWORD, code: user.recovery[0] })).status).toBe(204);
  });
});

describe("at once", () => {
  it("twenty deletions: one is 204, the others get a clear answer", async () => {
    const user = await register();
    const answers = await Promise.all(Array.from({ length: 20 }, () => remove(user)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    for (const { status, body } of answers.filter(({ status }) => status !== 204)) {
      expect([401, 429], body?.code).toContain(status);
      expect(["access_token_revoked", "account_locked"]).toContain(body.code);
    }
    expect(await rowOf(user.id)).toBeNull();
  });

  it("logins and refreshes that run beside a deletion leave no session alive", async () => {
    for (let round = 0; round < 3; round += 1) {
      const user = await register();
      const headers = { "X-Device-Token": (await signIn(user.username)).body.device_token };
      const [deletion, ...others] = await Promise.all([
        remove(user),
        ...Array.from({ length: 4 }, () => signIn(user.username, { headers })),
        refresh(user.refresh, { address: uniqueAddress() }),
        ask("/api/accounts/user", { method: "PATCH", token: user.access, body: { first_name: "Ada" } }),
      ]);
      expect(deletion?.status).toBe(204);
      for (const { status, body } of others) {
        expect([200, 401, 503]).toContain(status);
        if (body?.access_token === undefined) continue;
        const read = await ask("/api/accounts/user", { token: body.access_token, address: uniqueAddress() });
        expect(read.body.code).toBe("access_token_revoked");
        expect((await refresh(body.refresh_token, { address: uniqueAddress() })).status).toBe(401);
      }
      expect(await count("profiles", user.id)).toBe(0);
    }
  });

  it("a login that found the user in D1 before the deletion opens nothing after it", async () => {
    const user = await register();
    await remove(user);
    const opened = await objectOf(user).openSession({
      user: {
        id: user.id as never,
        username: user.username,
        email: null,
        role: "user",
        isActive: true,
        version: 99,
      },
      sid: "AAAAAAAAAAAAAAAAAAAAAA" as never,
      tokenId: "AAAAAAAAAAAAAAAAAAAAAA" as never,
      clientKey: "",
      deviceName: null,
      amr: ["pwd"],
      attempt: null,
      code: null,
      client: { ip: null, country: null, userAgent: null },
      requestId: "late",
      revokedBefore: 0,
    });
    expect(opened).toEqual({ kind: "denied", reason: "inactive" });
  });
});

describe("DUR-03: a deletion that was interrupted", () => {
  const init = (user: SignedIn) => ({
    method: "DELETE",
    body: JSON.stringify({ password: PASSWORD }),
    headers: { Authorization: `Bearer ${user.access}`, "CF-Connecting-IP": uniqueAddress() },
  });

  /** D1 that fails once the row itself is to be deleted. */
  const failingAtTheEnd = new Proxy(env.DB, {
    get: (db, name) => {
      const value: unknown = Reflect.get(db, name);
      if (name !== "prepare") return typeof value === "function" ? value.bind(db) : value;
      return (sql: string) => (sql.startsWith("DELETE FROM users") ? down() : db.prepare(sql));
    },
  });

  it("before its object heard of it, is closed to logins and finished by the same request", async () => {
    const user = await register();
    await env.DB.batch([
      env.DB.prepare("INSERT INTO deletions (user_id, asked_at) VALUES (?, 1)").bind(user.id),
      env.DB.prepare("UPDATE users SET is_active = 0, version = version + 1 WHERE id = ?").bind(user.id),
    ]);
    expect((await signIn(user.username)).status).toBe(401);
    expect((await remove(user)).status).toBe(204);
    expect(await rowOf(user.id)).toBeNull();
  });

  it("after its object heard of it, is 503, opens no session, and is finished by the run of every minute", async () => {
    const user = await register();
    expect((await askWith({ DB: failingAtTheEnd }, "/api/accounts/user", init(user))).status).toBe(503);
    expect(await rowOf(user.id)).toEqual({ is_active: 0 });
    expect((await refresh(user.refresh)).body.code).toBe("refresh_token_revoked");
    await env.DB.prepare("UPDATE users SET is_active = 1 WHERE id = ?").bind(user.id).run();
    expect((await signIn(user.username)).status, "not even if someone reactivates it").toBe(401);
    passSeconds(301);
    await runCron();
    expect(await rowOf(user.id)).toBeNull();
  });

  it("is reopened by nobody, and so never the last admin's when it is finished", async () => {
    const user = await register();
    expect((await askWith({ DB: failingAtTheEnd }, "/api/accounts/user", init(user))).status).toBe(503);
    const patch = (body: object) => asOperator(`/api/admin/users/${user.id}`, { method: "PATCH", body });
    for (const body of [{ is_active: true }, { is_active: true, role: "admin" }]) {
      expect(await patch(body)).toMatchObject({
        status: 409,
        body: { code: "deletion_begun", error: "The account is being deleted" },
      });
    }
    expect(await rowOf(user.id)).toEqual({ is_active: 0 });
    expect((await patch({ is_active: false })).status, "what is so already").toBe(200);
    await trail("user_id = ? AND type = 'admin_action_refused' AND reason = 'deletion_begun'", [user.id], 2);
  });

  it("with its object unreached, its sessions go on for a minute and no longer: the run of every minute ends them", async () => {
    const user = await register();
    const USER_AUTHORITY = failing("erase");
    expect((await askWith({ USER_AUTHORITY }, "/api/accounts/user", init(user))).status).toBe(503);
    expect((await refresh(user.refresh)).status).toBe(200);
    passSeconds(61);
    await runCron("* * * * *");
    expect((await refresh(user.refresh)).body.code).toBe("refresh_token_revoked");
    expect(await rowOf(user.id)).toBeNull();
  });

  it("that run leaves alone what is still under way, and forgets what was finished long ago", async () => {
    const [fresh, old] = [await register(), await register()];
    await remove(old);
    await env.DB.prepare("INSERT INTO deletions (user_id, asked_at) VALUES (?, ?)")
      .bind(fresh.id, Math.floor(Date.now() / 1000))
      .run();
    await runCron();
    expect(await rowOf(fresh.id)).not.toBeNull();
    expect(await count("deletions", old.id)).toBe(1);
    passSeconds(7_776_001);
    await runCron();
    expect(await rowOf(fresh.id)).toBeNull();
    expect(await count("deletions", old.id)).toBe(0);
  });

  it("with a part down is 503 and no wrong guess, and changes nothing", async () => {
    const user = await register();
    for (const broken of [{ DB: down() }, { USER_AUTHORITY: unreachable() }, { IP_GUARD: unreachable() }])
      expect((await askWith(broken, "/api/accounts/user", init(user))).status).toBe(503);
    expect(await rowOf(user.id)).toEqual({ is_active: 1 });
  });
});
