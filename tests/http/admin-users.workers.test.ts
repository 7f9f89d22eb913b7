import { createScheduledController, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { scheduled } from "../../worker/scheduled.ts";
import { askAs, asOperator, eventsAbout, registerAs } from "../support/admin.ts";
import { ask, login, PASSWORD, refresh, register, unique, uniqueAddress } from "../support/client.ts";
import { stopClock } from "../support/clock.ts";
import { askWith, unreachable } from "../support/faults.ts";

afterEach(stopClock);

const change = (id: number, body: object) => asOperator(`/api/admin/users/${id}`, { method: "PATCH", body });

describe("who may", () => {
  it("ADM-01: 401 without a token, 403 for a user, alike for ids that nobody has", async () => {
    const user = await register();
    for (const path of [`/${user.id}`, "/999999999", "", `/${user.id}/sessions`]) {
      const target = `/api/admin/users${path}`;
      expect(await ask(target, { address: uniqueAddress() })).toMatchObject({ status: 401 });
      expect(await askAs(user, target)).toMatchObject({ status: 403, body: { code: "permission_denied" } });
    }
    const self = await askAs(user, `/api/admin/users/${user.id}`, {
      method: "PATCH",
      body: { role: "admin" },
    });
    expect(self.status).toBe(403);
  });

  it("ADM-02: a user's own account takes no role and no activity", async () => {
    const user = await register();
    const body = { first_name: "A", role: "admin", is_active: false, id: 1, version: 99 };
    const answer = await askAs(user, "/api/accounts/user", { method: "PATCH", body });
    expect(answer).toMatchObject({ status: 200, body: { user: { id: user.id, role: "user" } } });
    const extra = { username: unique("mass"), password: PASSWORD, password2: PASSWORD, role: "admin" };
    const made = await ask("/api/accounts/register", { body: extra, address: uniqueAddress() });
    expect(made.body.user.role).toBe("user");
  });

  it("ADM-04: a demoted admin is out at once, and goes on as a user after a refresh", async () => {
    await registerAs("admin"); // the last one stays
    const admin = await registerAs("admin");
    expect((await askAs(admin, "/api/admin/users?limit=1")).status).toBe(200);
    const answer = await change(admin.id, { role: "user" });
    expect(answer).toMatchObject({ status: 200, body: { user: { role: "user" }, revoked: 0 } });
    const out = await askAs(admin, "/api/admin/users?limit=1");
    expect(out).toMatchObject({ status: 401, body: { code: "access_token_revoked" } });
    const { body } = await refresh(admin.refresh, { address: admin.address });
    expect(body.user.role).toBe("user");
    expect((await askAs({ access: body.access_token }, "/api/admin/users")).status).toBe(403);
  });

  it("ADM-04, REV-05: a deactivated admin is out at once, with every session, and cannot sign in", async () => {
    await registerAs("admin");
    const admin = await registerAs("admin");
    expect(await change(admin.id, { is_active: false })).toMatchObject({
      status: 200,
      body: { user: { is_active: false }, revoked: 2 },
    });
    expect((await askAs(admin, "/api/admin/users")).status).toBe(401);
    expect((await refresh(admin.refresh, { address: admin.address })).status).toBe(401);
    const body = { username: admin.username, password: PASSWORD };
    expect((await ask("/api/accounts/login", { body, address: admin.address })).body.code).toBe(
      "invalid_credentials",
    );
    expect((await change(admin.id, { is_active: true })).body.user.is_active).toBe(true);
    expect((await login(admin)).id).toBe(admin.id);
    expect((await askAs(admin, "/api/accounts/sessions")).status, "what ended stays so").toBe(401);
  });
});

describe("PATCH /api/admin/users/{id}", () => {
  it("wrong input is 400 and changes nothing; what nobody has is 404", async () => {
    const user = await register();
    const wrong = [
      {},
      { role: 1 },
      { role: null },
      { role: "ghost" },
      { role: "Admin" },
      { role: ["admin"] },
      { is_active: "false" },
      { is_active: 0 },
      { is_active: null },
      { role: "admin", is_active: "no" },
    ];
    for (const body of wrong) expect((await change(user.id, body)).status, JSON.stringify(body)).toBe(400);
    expect((await asOperator(`/api/admin/users/${user.id}`)).body.user).toMatchObject({
      role: "user",
      is_active: true,
    });
    for (const id of ["999999999", "0", "-1", "1e3", "x", "%31"]) {
      const answer = await asOperator(`/api/admin/users/${id}x`, { method: "PATCH", body: { role: "user" } });
      expect(answer.status, id).toBe(404);
    }
    expect((await change(999_999_999, { role: "user" })).status).toBe(404);
  });

  it("an id is digits and nothing else, on every route that takes one", async () => {
    const user = await register();
    const hex = `0x${user.id.toString(16)}`;
    for (const id of [hex, `%20${user.id}`, `${user.id}.0`, `${user.id}e0`, `+${user.id}`]) {
      const of = (path: string) => `/api/admin/users/${id}${path}`;
      const answers = await Promise.all([
        asOperator(of("")),
        asOperator(of(""), { method: "PATCH", body: { is_active: false } }),
        asOperator(of("/sessions")),
        asOperator(of(`/sessions/${user.sid}`), { method: "DELETE" }),
        asOperator(of("/revoke-sessions"), { body: {} }),
        asOperator(of("/unlock"), { method: "POST" }),
      ]);
      for (const answer of answers) expect(answer, id).toMatchObject({ status: 404 });
    }
    expect((await askAs(user, "/api/accounts/user")).status).toBe(200);
  });

  it("asking twice is asking once: no session and no token feels the second", async () => {
    const user = await registerAs("admin");
    const version = "SELECT version FROM users WHERE id = ?";
    const before = await env.DB.prepare(version).bind(user.id).first();
    expect((await change(user.id, { role: "admin", is_active: true })).status).toBe(200);
    expect(await env.DB.prepare(version).bind(user.id).first()).toEqual(before);
    expect((await askAs(user, "/api/accounts/sessions")).status).toBe(200);
  });

  it("nobody takes their own admin role or account away; the attempt is in the trail", async () => {
    const admin = await registerAs("admin");
    for (const body of [{ role: "user" }, { is_active: false }]) {
      const answer = await askAs(admin, `/api/admin/users/${admin.id}`, { method: "PATCH", body });
      expect(answer).toMatchObject({ status: 403, body: { code: "permission_denied" } });
    }
    const [refused] = await eventsAbout(admin.id, "admin_action_refused");
    expect(refused).toMatchObject({ reason: "own_account", details: { actor: `user:${admin.id}` } });
  });

  it("two admins who demote each other at once: one stays", async () => {
    await env.DB.prepare("UPDATE users SET role = 'user' WHERE role = 'admin'").run();
    const [one, other] = [await registerAs("admin"), await registerAs("admin")];
    const demote = (by: typeof one, whom: typeof one) =>
      askAs(by, `/api/admin/users/${whom.id}`, { method: "PATCH", body: { role: "user" } });
    const answers = await Promise.all([demote(one, other), demote(other, one)]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const { results } = await env.DB.prepare("SELECT id FROM users WHERE role = 'admin'").all();
    expect(results).toHaveLength(1);
    const last = Number(results[0]?.id);
    for (const body of [{ role: "user" }, { is_active: false }]) {
      expect(await change(last, body)).toMatchObject({ status: 409, body: { code: "last_admin" } });
    }
  });

  it("ADM-06: the trail has actor, target and result", async () => {
    const admin = await registerAs("admin");
    const user = await register();
    await askAs(admin, `/api/admin/users/${user.id}`, { method: "PATCH", body: { is_active: false } });
    expect(await eventsAbout(user.id, "user_changed_by_admin")).toEqual([
      {
        reason: null,
        details: { actor: `user:${admin.id}`, role: "user", is_active: false, sessions_ended: 1 },
      },
    ]);
  });

  it("DUR-03: what the object could not be told is told by the run of every minute", async () => {
    const user = await register();
    const answer = await askWith(
      { USER_AUTHORITY: unreachable<Env["USER_AUTHORITY"]>() },
      `/api/admin/users/${user.id}`,
      {
        method: "PATCH",
        body: JSON.stringify({ is_active: false }),
        headers: { Authorization: `Bearer ${env.ADMIN_TOKEN}` },
      },
    );
    expect(answer.status).toBe(503);
    expect((await askAs(user, "/api/accounts/sessions")).status, "not heard of yet").toBe(200);
    const scheduledTime = new Date(Date.now() + 31_000);
    await scheduled(createScheduledController({ scheduledTime, cron: "* * * * *" }), env);
    expect((await askAs(user, "/api/accounts/sessions")).status).toBe(401);
    expect((await refresh(user.refresh, { address: user.address })).status).toBe(401);
    const left = "SELECT count(*) AS n FROM user_changes WHERE user_id = ?";
    expect(await env.DB.prepare(left).bind(user.id).first("n")).toBe(0);
    expect(await eventsAbout(user.id, "user_changed_by_admin")).toHaveLength(1);
  });

  it("DUR-03: and by whoever asks again", async () => {
    const user = await register();
    const init = {
      method: "PATCH",
      body: JSON.stringify({ role: "admin" }),
      headers: { Authorization: `Bearer ${env.ADMIN_TOKEN}` },
    };
    const down = { USER_AUTHORITY: unreachable<Env["USER_AUTHORITY"]>() };
    expect((await askWith(down, `/api/admin/users/${user.id}`, init)).status).toBe(503);
    expect((await change(user.id, { role: "admin" })).status).toBe(200);
    const role = await runInDurableObject(env.USER_AUTHORITY.getByName(String(user.id)), (_, { storage }) =>
      storage.sql.exec("SELECT role FROM account").one(),
    );
    expect(role).toEqual({ role: "admin" });
  });
});

describe("GET /api/admin/users", () => {
  it("finds by the beginning of a name or e-mail in any case, in pages that new users do not move", async () => {
    const prefix = unique("Find.Me");
    const made: number[] = [];
    for (let i = 0; i < 5; i += 1) made.push((await register(prefix)).id);
    const find = (cursor: string | null) =>
      asOperator(
        `/api/admin/users?limit=2&query=${prefix.toUpperCase()}${cursor === null ? "" : `&cursor=${cursor}`}`,
      );
    const first = await find(null);
    expect(first.status).toBe(200);
    expect(first.text).not.toContain("argon2");
    expect(Object.keys(first.body.users[0]).sort()).toEqual(
      "created_at email email_verified id is_active last_login role username".split(" "),
    );
    made.push((await register(prefix)).id);
    const found: number[] = [];
    let page = first;
    for (;;) {
      found.push(...page.body.users.map((user: { id: number }) => user.id));
      if (page.body.next_cursor === null) break;
      page = await find(page.body.next_cursor);
    }
    expect(found).toEqual(made);
    const byMail = await asOperator(`/api/admin/users?query=${prefix}`);
    expect(byMail.body.users).toHaveLength(6);
  });

  it("takes no pattern and no number that is none", async () => {
    await register();
    for (const query of ["%25", "_", "'%20OR%201=1--", "%00"]) {
      const answer = await asOperator(`/api/admin/users?query=${query}`);
      expect(answer, query).toMatchObject({ status: 200, body: { users: [], next_cursor: null } });
    }
    for (const query of [
      "limit=0",
      "limit=101",
      "limit=x",
      "cursor=0",
      "cursor=-1",
      "cursor=x",
      "limit=1.5",
    ]) {
      expect((await asOperator(`/api/admin/users?${query}`)).status, query).toBe(400);
    }
  });
});

describe("/api/admin/users/{id}/sessions", () => {
  it("lists them, and ends one at once; another user's is 404", async () => {
    const [user, stranger] = [await register(), await register()];
    const other = await login(user);
    const path = `/api/admin/users/${user.id}/sessions`;
    const { body } = await asOperator(path);
    expect(body.sessions.map((session: { id: string }) => session.id).sort()).toEqual(
      [user.sid, other.sid].sort(),
    );
    const end = (sid: string) => asOperator(`${path}/${sid}`, { method: "DELETE" });
    expect((await end(stranger.sid)).status).toBe(404);
    expect((await end("x")).status).toBe(404);
    expect((await end(other.sid)).status).toBe(204);
    expect((await askAs(other, "/api/accounts/user")).status).toBe(401);
    expect((await askAs(user, "/api/accounts/user")).status).toBe(200);
    expect(await eventsAbout(user.id, "session_ended_by_admin")).toMatchObject([
      { details: { actor: "operator" } },
    ]);
    expect((await asOperator("/api/admin/users/999999999/sessions")).status).toBe(404);
  });
});
