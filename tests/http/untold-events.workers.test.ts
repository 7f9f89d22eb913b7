/** A change that is made in D1 and its event are one transaction: neither is ever there without the other. */
import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { scheduled } from "../../worker/scheduled.ts";
import { asOperator, eventsAbout, registerAs } from "../support/admin.ts";
import { trail } from "../support/audit.ts";
import { type Answer, login, register, unique } from "../support/client.ts";
import { askWith, failing, withoutTrail } from "../support/faults.ts";

const OPERATOR = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
const KEYS = "/api/accounts/api-keys";
const requestOf = ({ headers }: Answer) => headers.get("X-Request-Id") ?? "none";

const change = (path: string, method: string, body: unknown, headers: Record<string, string> = OPERATOR) =>
  askWith(withoutTrail(), path, { method, headers, body: JSON.stringify(body) });

/** The run of every minute, a minute from now. */
async function aMinuteLater(overrides: Record<string, unknown> = {}): Promise<void> {
  const controller = createScheduledController({
    scheduledTime: new Date(Date.now() + 60_000),
    cron: "* * * * *",
  });
  await scheduled(controller, { ...env, ...overrides });
}

async function untold(): Promise<number> {
  return (await env.DB.prepare("SELECT count(*) AS n FROM untold_events").first<{ n: number }>())?.n ?? 0;
}

/** What was told of one request, whenever it was. */
async function toldOf(answer: Answer, count = 1) {
  const rows = await trail("request_id = ? AND risk <> 'low'", [requestOf(answer)], count);
  return rows.map(({ type, actor, details }) => ({ type, actor, details: JSON.parse(String(details)) }));
}

describe("while nothing reaches the trail, a change is made and answered; its event waits, and comes once", () => {
  it("a role", async () => {
    const role = unique("r").toLowerCase();
    const path = `/api/admin/roles/${role}`;
    const made = await change(path, "PUT", { permissions: ["profile:read"] });
    expect(made.status).toBe(201);
    const changed = await change(path, "PUT", { permissions: [] });
    expect(changed.status).toBe(200);
    const again = await change(path, "PUT", { permissions: [] });
    expect(again.status).toBe(200);
    expect(await untold()).toBe(2);
    await expect(() => aMinuteLater(withoutTrail()), "it waits on").rejects.toThrow();
    expect(await untold()).toBe(2);
    await aMinuteLater();
    await aMinuteLater();
    const event = (result: string, permissions: string) => ({
      type: "role_permissions_changed",
      actor: "operator",
      details: { actor: "operator", role, permissions, result },
    });
    expect(await toldOf(made)).toEqual([event("created", "profile:read")]);
    expect(await toldOf(changed)).toEqual([event("changed", "")]);
    expect(await toldOf(again, 0)).toEqual([]);
    expect(await untold()).toBe(0);
  });

  it("an API key, made and revoked", async () => {
    const user = await register();
    const headers = { Authorization: `Bearer ${user.access}` };
    const made = await change(KEYS, "POST", { name: "one", permissions: ["profile:read"] }, headers);
    expect(made.status).toBe(201);
    const { key_id } = made.body;
    const gone = await askWith(withoutTrail(), `${KEYS}/${key_id}`, { method: "DELETE", headers });
    expect(gone.status).toBe(204);
    await aMinuteLater();
    const actor = `user:${user.id}`;
    expect(await toldOf(made)).toEqual([
      { type: "api_key_created", actor, details: { key_id, permissions: "profile:read" } },
    ]);
    expect(await toldOf(gone)).toEqual([{ type: "api_key_revoked", actor, details: { key_id } }]);
  });

  it("a user's role", async () => {
    const user = await register();
    const changed = await change(`/api/admin/users/${user.id}`, "PATCH", { role: "admin" });
    expect(changed.status).toBe(200);
    await aMinuteLater();
    expect(await eventsAbout(user.id, "user_changed_by_admin")).toEqual([
      { reason: null, details: { actor: "operator", role: "admin", is_active: true, sessions_ended: 0 } },
    ]);
  });

  it("a session that an admin ended: its object tells by whom", async () => {
    const user = await register();
    const other = await login(user);
    const path = `/api/admin/users/${user.id}/sessions/${other.sid}`;
    const ended = await askWith(withoutTrail(), path, { method: "DELETE", headers: OPERATOR });
    expect(ended.status).toBe(204);
  });
});

it("two changes of a user, of which the object heard neither: each is told, by whom it was made", async () => {
  const [user, admin] = [await register(), await registerAs("admin")];
  const deaf = { USER_AUTHORITY: failing("hearOfUser") };
  const path = `/api/admin/users/${user.id}`;
  const first = { method: "PATCH", headers: OPERATOR, body: JSON.stringify({ role: "admin" }) };
  const promoted = await askWith(deaf, path, first);
  const headers = { Authorization: `Bearer ${admin.access}` };
  const second = { method: "PATCH", headers, body: JSON.stringify({ role: "user" }) };
  const demoted = await askWith(deaf, path, second);
  expect([promoted.status, demoted.status]).toEqual([503, 503]);
  await aMinuteLater();
  const told = await trail("user_id = ? AND type = 'user_changed_by_admin'", [user.id], 2);
  const requests = [requestOf(promoted), requestOf(demoted)];
  expect(told.map(({ actor, request_id }) => [actor, request_id])).toEqual([
    ["operator", requests[0]],
    [`user:${admin.id}`, requests[1]],
  ]);
  expect(told.map(({ details }) => JSON.parse(String(details)).role)).toEqual(["admin", "user"]);
});

it("an API key whose owner cannot be mailed just now is answered all the same: nobody else has it", async () => {
  const user = await register();
  const init = {
    method: "POST",
    headers: { Authorization: `Bearer ${user.access}` },
    body: JSON.stringify({ name: "one", permissions: ["profile:read"] }),
  };
  const made = await askWith({ USER_AUTHORITY: failing("orderMail") }, KEYS, init);
  expect(made).toMatchObject({ status: 201, body: { key: expect.stringMatching(/^sak_/) } });
});

it("what another release has noted holds nothing up, and waits", async () => {
  const at = Math.floor(Date.now() / 1000);
  await env.DB.prepare("INSERT INTO untold_events (id, at, event) VALUES ('odd', 0, ?)")
    .bind(JSON.stringify({ id: "odd", at, type: "of_tomorrow" }))
    .run();
  const role = unique("r").toLowerCase();
  const made = await change(`/api/admin/roles/${role}`, "PUT", { permissions: [] });
  await aMinuteLater();
  expect(await toldOf(made)).toHaveLength(1);
  expect(await untold()).toBe(1);
  await env.DB.prepare("DELETE FROM untold_events").run();
});

it("what waits is told with the next change, too", async () => {
  const path = () => `/api/admin/roles/${unique("r").toLowerCase()}`;
  const first = await change(path(), "PUT", { permissions: [] });
  const second = await asOperator(path(), { method: "PUT", body: { permissions: [] } });
  for (const answer of [first, second]) expect(await toldOf(answer)).toHaveLength(1);
  expect(await untold()).toBe(0);
});

it("told at once, nothing is left to be told", async () => {
  const role = unique("r").toLowerCase();
  const made = await asOperator(`/api/admin/roles/${role}`, { method: "PUT", body: { permissions: [] } });
  expect(await toldOf(made)).toHaveLength(1);
  expect(await untold()).toBe(0);
});
