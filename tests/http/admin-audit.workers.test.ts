/** ADM-06: whatever an admin does, or a user tries who is none, is in the trail: who, to whom, and how it ended. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { askAs, asOperator, registerAs } from "../support/admin.ts";
import { delivered, trail } from "../support/audit.ts";
import { type Answer, ask, login, register, unique, uniqueAddress } from "../support/client.ts";
import { askWith, down } from "../support/faults.ts";

const requestOf = ({ headers }: Answer) => headers.get("X-Request-Id") ?? "none";
const about = (user: { id: number }) => `/api/admin/users/${user.id}`;
const objectOf = (user: { id: number }) => env.USER_AUTHORITY.getByName(String(user.id));

/** The events that one request caused, and that it was answered well. */
async function causedBy(answer: Answer, count: number) {
  expect(answer.status).toBeLessThan(300);
  const rows = await trail("request_id = ?", [requestOf(answer)], count);
  return rows.map(({ type, actor, user_id }) => ({ type, actor, user_id }));
}

describe("the operator", () => {
  const actor = "operator";

  it("changes a role, deactivates, ends sessions: every event that follows names who, and whom", async () => {
    await registerAs("admin"); // the last one could not be deactivated
    const user = await register();
    const second = await login(user);
    const session = await asOperator(`${about(user)}/sessions/${second.sid}`, { method: "DELETE" });
    const role = await asOperator(about(user), { method: "PATCH", body: { role: "admin" } });
    const sessions = await asOperator(`${about(user)}/revoke-sessions`, { body: { reason: "lost" } });
    await login(user);
    const inactive = await asOperator(about(user), { method: "PATCH", body: { is_active: false } });
    await delivered(objectOf(user));
    const event = (type: string) => ({ type, actor, user_id: user.id });
    expect(await causedBy(session, 2)).toEqual([event("session_ended_by_admin"), event("session_revoked")]);
    expect(await causedBy(role, 2)).toEqual([event("access_tokens_revoked"), event("user_changed_by_admin")]);
    expect(await causedBy(sessions, 1)).toEqual([event("sessions_revoked")]);
    expect(await causedBy(inactive, 2)).toEqual([event("sessions_revoked"), event("user_changed_by_admin")]);
  });

  it("unlocks, blocks and lifts a block, and gives a role permissions", async () => {
    const user = await register();
    for (let i = 0; i < 5; i += 1)
      await ask("/api/accounts/login", {
        body: { username: user.username, password: "wrong" },
        address: user.address,
      });
    const unlocked = await asOperator(`${about(user)}/unlock`, { method: "POST" });
    await delivered(objectOf(user));
    expect(await causedBy(unlocked, 1)).toEqual([{ type: "account_unlocked", actor, user_id: user.id }]);

    const address = uniqueAddress();
    const blocked = await asOperator("/api/admin/security/blocks", {
      body: { ip: address, seconds: 60, reason: "test" },
    });
    const lifted = await asOperator(`/api/admin/security/blocks/${address}`, { method: "DELETE" });
    await delivered(env.IP_GUARD.getByName(address));
    expect(await causedBy(blocked, 1)).toEqual([{ type: "address_blocked", actor, user_id: null }]);
    expect(await causedBy(lifted, 1)).toEqual([{ type: "address_unblocked", actor, user_id: null }]);

    const role = unique("r").toLowerCase();
    const put = await asOperator(`/api/admin/roles/${role}`, {
      method: "PUT",
      body: { permissions: ["profile:read"] },
    });
    expect(await causedBy(put, 1)).toEqual([{ type: "role_permissions_changed", actor, user_id: null }]);
  });

  it("looks at a user, at their sessions, takes the trail along: that is told, too", async () => {
    const user = await register();
    const looks = [
      ["account", await asOperator(about(user))],
      ["sessions", await asOperator(`${about(user)}/sessions`)],
      ["export_of_events", await asOperator(`/api/admin/security/events/export?user_id=${user.id}`)],
    ] as const;
    for (const [action, answer] of looks) {
      expect(answer.status).toBe(200);
      expect(await trail("request_id = ?", [requestOf(answer)], 1)).toMatchObject([
        { type: "viewed_by_admin", actor, user_id: user.id, details: JSON.stringify({ actor, action }) },
      ]);
    }
  });

  it("asks for anything else, or in vain: that is told, with what came of it and without what was searched", async () => {
    const user = await register();
    const nobody = 999_999_999;
    const admin = "/api/admin";
    const security = `${admin}/security`;
    const requests: [method: string, path: string, template: string, status: number, userId?: number][] = [
      ["GET", `${admin}/users?query=${user.username}`, "/users", 200],
      ["GET", `${admin}/users/${nobody}`, "/users/:id", 404, nobody],
      ["PATCH", `${admin}/users/${nobody}`, "/users/:id", 404, nobody],
      ["PATCH", `${admin}/users/${user.id}`, "/users/:id", 400, user.id],
      ["POST", `${admin}/users/${nobody}/unlock`, "/users/:id/unlock", 404, nobody],
      ["POST", `${admin}/users/${nobody}/revoke-sessions`, "/users/:id/revoke-sessions", 404, nobody],
      ["DELETE", `${admin}/users/${user.id}/sessions/x`, "/users/:id/sessions/:sid", 404, user.id],
      ["GET", `${admin}/roles/user`, "/roles/:role", 200],
      ["PUT", `${admin}/roles/A`, "/roles/:role", 400],
      ["GET", `${admin}/migration`, "/migration", 200],
      ["POST", `${admin}/revoke-all`, "/revoke-all", 400],
      ["GET", `${security}/events?user_id=${user.id}`, "/security/events", 200],
      ["GET", `${security}/events?cursor=x`, "/security/events", 400],
      ["GET", `${security}/metrics`, "/security/metrics", 200],
      ["GET", `${security}/report`, "/security/report", 200],
      ["GET", `${security}/blocks`, "/security/blocks", 200],
      ["DELETE", `${security}/blocks/${uniqueAddress()}`, "/security/blocks/:ip", 404],
    ];
    const answers: Answer[] = [];
    for (const [method, path] of requests) {
      const body = path.endsWith(`/${nobody}`) ? { role: "user" } : {};
      answers.push(await asOperator(path, method === "GET" ? {} : { method, body }));
    }
    for (const [index, [method, path, template, status, userId = null]] of requests.entries()) {
      const answer = answers[index] as Answer;
      expect(answer.status, `${method} ${path}`).toBe(status);
      const told = await trail("request_id = ?", [requestOf(answer)], 1);
      expect(told, `${method} ${path}`).toMatchObject([
        { type: "admin_request", risk: "low", actor, user_id: userId, reason: null },
      ]);
      const details = { actor, action: `${method} ${admin}${template}`, status };
      expect(JSON.parse(String(told[0]?.details))).toEqual(details);
    }
  });

  it("is answered 503 while D1 is down: that is told, too, and a scrape of the counters is not", async () => {
    const headers = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
    const scrape = await asOperator("/metrics");
    const path = "/api/admin/roles/user";
    const answer = await askWith({ DB: down() }, path, { headers });
    expect(answer.status).toBe(503);
    const details = { actor, action: "GET /api/admin/roles/:role", status: 503 };
    expect(await trail("request_id = ?", [requestOf(answer)], 1)).toMatchObject([
      { type: "admin_request", details: JSON.stringify(details) },
    ]);
    expect(await trail("request_id = ?", [requestOf(scrape)], 0)).toEqual([]);
  });

  it("asks for what is so already: that is told, too", async () => {
    const user = await register();
    const answers = [
      await asOperator(about(user), { method: "PATCH", body: { role: "user" } }),
      await asOperator(`${about(user)}/unlock`, { method: "POST" }),
    ];
    for (const answer of answers) {
      expect(await causedBy(answer, 1)).toEqual([
        { type: "admin_action_without_effect", actor, user_id: user.id },
      ]);
    }
  });
});

it("an admin is named by their id", async () => {
  const [admin, user] = [await registerAs("admin"), await register()];
  const look = await askAs(admin, `/api/accounts/sessions/${user.sid}/timeline?user_id=${user.id}`);
  expect(await causedBy(look, 1)).toEqual([
    { type: "viewed_by_admin", actor: `user:${admin.id}`, user_id: user.id },
  ]);
  const answer = await askAs(admin, about(user), { method: "PATCH", body: { role: "admin" } });
  await delivered(objectOf(user));
  for (const { actor } of await causedBy(answer, 2)) expect(actor).toBe(`user:${admin.id}`);
});

it("a user who is no admin is refused and told of once an hour and session, however often they try", async () => {
  const [user, other] = [await register(), await register()];
  const attempts = [
    await askAs(user, about(other), { method: "PATCH", body: { role: "admin" } }),
    await askAs(user, "/api/admin/security/events"),
    await askAs(user, "/api/admin/revoke-all", { body: { reason: "x", confirm: "revoke-all" } }),
  ];
  expect(attempts.map(({ status }) => status)).toEqual([403, 403, 403]);
  expect(await trail("user_id = ? AND type = 'admin_action_refused'", [user.id], 1)).toMatchObject([
    {
      actor: `user:${user.id}`,
      sid: user.sid,
      reason: "not_an_admin",
      ip: expect.any(String),
      details: JSON.stringify({ action: "PATCH /api/admin/users/:id" }),
    },
  ]);
  const everythingDown = { DB: down(), AUDIT_QUEUE: down() };
  const headers = { Authorization: `Bearer ${user.access}` };
  expect((await askWith(everythingDown, "/api/admin/security/metrics", { headers })).status).toBe(403);
});

describe("who could be let in and is not is told of once an hour", () => {
  const refusals = (userId: number) =>
    trail("user_id = ? AND type = 'admin_request' AND actor = ?", [userId, `user:${userId}`], 1);

  it("an admin whose session began without the second factor that is demanded", async () => {
    const admin = await registerAs("admin");
    const headers = { Authorization: `Bearer ${admin.access}` };
    for (let i = 0; i < 2; i += 1) {
      const answer = await askWith({ REQUIRE_MFA_FOR_ADMIN: "on" }, "/api/admin/users", { headers });
      expect(answer.body.code).toBe("second_factor_required");
    }
    expect(await refusals(admin.id)).toMatchObject([
      {
        sid: admin.sid,
        reason: "second_factor_required",
        details: JSON.stringify({ action: "GET /api/admin/users", status: 403 }),
      },
    ]);
  });

  it("an API key, whatever it may do elsewhere", async () => {
    const user = await register();
    const body = { name: "one", permissions: ["profile:read"] };
    const { key } = (await askAs(user, "/api/accounts/api-keys", { body })).body;
    for (const path of ["/api/admin/security/events", "/api/admin/users", "/api/admin/security/events"])
      expect((await askAs({ access: key }, path)).body.code).toBe("permission_denied");
    expect(await refusals(user.id)).toMatchObject([
      {
        reason: "api_key_not_allowed",
        details: JSON.stringify({ action: "GET /api/admin/security/events", status: 403 }),
      },
    ]);
  });
});
