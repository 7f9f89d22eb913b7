/** The audit trail of a service that is killed, and whose database takes nothing for a while: complete, and each event once. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "../../scripts/wrangler.ts";
import { pause, type Server, startServer } from "../support/server.ts";

const folder = mkdtempSync(join(tmpdir(), "session-authority-"));
const PASSWORD = "a quiet harbour 27";
const TRIES = 300;
let server: Server;

beforeAll(async () => {
  server = await startServer(folder);
});

afterAll(async () => {
  await server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: the tests look into whatever was answered
type Answer = { status: number; body: any };

/** Each call comes from an address of its own: how often a slow machine has to ask is no matter of limits. */
let calls = 0;

async function call(path: string, token?: string, body?: unknown, method = "POST"): Promise<Answer> {
  calls += 1;
  const response = await fetch(`${server.base}${path}`, {
    method: body === undefined ? "GET" : method,
    headers: {
      "Content-Type": "application/json",
      "CF-Connecting-IP": `10.20.${calls >> 8}.${calls & 255}`,
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

const operator = () => /^ADMIN_TOKEN="?([^"\n]+)/m.exec(readFileSync(join(ROOT, ".dev.vars"), "utf8"))?.[1];

async function register(username: string): Promise<{ id: number; access: string; refresh: string }> {
  const account = { username, password: PASSWORD, password2: PASSWORD };
  const { body } = await call("/api/accounts/register", undefined, account);
  return { id: body.user.id, access: body.access_token, refresh: body.refresh_token };
}

/** How often the trail has each type of event about the user, once all of these are there. */
async function told(userId: number, wanted: Record<string, number>): Promise<Record<string, number>> {
  for (let i = 0; ; i += 1) {
    const { body } = await call(`/api/admin/security/events?user_id=${userId}&limit=200`, operator());
    const counts: Record<string, number> = {};
    for (const { type, risk } of body.events) if (risk !== "low") counts[type] = (counts[type] ?? 0) + 1;
    const isThere = Object.entries(wanted).every(([type, count]) => (counts[type] ?? 0) >= count);
    if (isThere || i === TRIES) return counts;
    await pause(200);
  }
}

it("DUR-01: what was done and answered is in the trail after a SIGKILL, once, whoever decided it", async () => {
  const ada = await register("ada");
  expect(
    (await call("/api/accounts/api-keys", ada.access, { name: "k", permissions: ["profile:read"] })).status,
  ).toBe(201);
  const role = { permissions: ["profile:read"] };
  expect((await call("/api/admin/roles/auditor", operator(), role, "PUT")).status).toBe(201);
  const demoted = await call(`/api/admin/users/${ada.id}`, operator(), { role: "auditor" }, "PATCH");
  expect(demoted.status).toBe(200);
  const ended = await call(`/api/admin/users/${ada.id}/revoke-sessions`, operator(), { reason: "test" });
  expect(ended.status).toBe(200);
  await server.kill("SIGKILL");

  server = await startServer(folder);
  const wanted = {
    api_key_created: 1,
    user_changed_by_admin: 1,
    access_tokens_revoked: 1,
    sessions_revoked: 1,
  };
  expect(await told(ada.id, wanted)).toEqual(wanted);
  const { body } = await call("/api/admin/security/events?event_type=role_permissions_changed", operator());
  expect(body.events).toHaveLength(1);
});

it("while D1 answers nothing a logout is answered; then the trail is complete, across a SIGKILL", async () => {
  const bob = await register("bob");
  const files = readdirSync(join(folder, "v3/d1/miniflare-D1DatabaseObject")).filter(
    (name) => name.endsWith(".sqlite") && !name.startsWith("metadata"),
  );
  const database = new DatabaseSync(join(folder, "v3/d1/miniflare-D1DatabaseObject", files[0] ?? ""));
  database.exec("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE");
  try {
    const ended = await call("/api/accounts/logout", bob.access, {});
    expect(ended.body).toMatchObject({ message: "Logout successful", revoked: 1 });
    for (let i = 0; i < TRIES && !server.stdout().includes("audit_store_failed"); i += 1) await pause(200);
    expect(server.stdout()).toContain('"event":"audit_store_failed"');
    expect((await call("/api/admin/security/events", operator())).status).toBe(503);
    await server.kill("SIGKILL");
  } finally {
    database.exec("ROLLBACK");
    database.close();
  }
  server = await startServer(folder);
  expect(await told(bob.id, { sessions_revoked: 1 })).toEqual({ sessions_revoked: 1 });
  const { body } = await call("/api/admin/security/metrics", operator());
  expect(body.event_types.sessions_revoked, "counted as often as it is there").toBe(2);
});
