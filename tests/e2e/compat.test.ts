/**
 * What a client written for Django does (contract §9), against the service as an operator starts it
 * for the move: every path ends in a slash, tokens have their old names, and the token that a login
 * gave, or Django itself, is never replaced by its successor.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pause, type Server, startServer } from "../support/server.ts";
import vectors from "../vectors/django/legacy.json" with { type: "json" };
import logins from "../vectors/django/logins.json" with { type: "json" };

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "session-authority-"));
const PASSWORD = "a quiet harbour 27";
let server: Server;

beforeAll(async () => {
  server = await startServer(folder, {
    COMPAT_SIMPLEJWT: "on",
    // No grace at all: what goes on is not a retry.
    REFRESH_GRACE: "0",
    REFRESH_GRACE_SAME_CLIENT: "0",
    RATE_LIMIT_AUTH: "1000/300",
    RATE_LIMIT_REGISTER: "1000/300",
    DJANGO_SECRET_KEY: vectors.secret_key,
    LEGACY_UNTIL: "2036-12-31",
    LEGACY_KEY_IS_PUBLIC: "accept-forgeries",
  });
  const file = join(ROOT, "tests/vectors/django/dumpdata.json");
  const args = ["schema/django/import.cli.ts", file, "--local", "--persist-to", folder];
  const { status, stderr } = spawnSync("node", args, { cwd: ROOT, encoding: "utf8" });
  expect(status, stderr).toBe(0);
});
afterAll(async () => {
  await server.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: the test looks into whatever was answered
async function call(path: string, body?: unknown, token?: string): Promise<{ status: number; body: any }> {
  const response = await fetch(`${server.base}/api/accounts/${path}/`, {
    method: body === undefined ? "GET" : "POST",
    redirect: "manual",
    headers: {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}
const login = (username: string, password: string) => call("login", { username, password });

it("registers and reads errors by their fields, beside the sentences", async () => {
  const ada = { username: "ada", email: "", password: PASSWORD, password2: PASSWORD };
  const { status, body } = await call("register", ada);
  expect([status, body.detail]).toEqual([201, "User created successfully"]);
  const wrong = async (change: Record<string, unknown>) =>
    (await call("register", { ...ada, ...change })).body;
  expect(await wrong({})).toMatchObject({
    error: "User with this username or email already exists",
    username: ["A user with that username already exists."],
  });
  expect(await wrong({ username: "bob", password2: "x" })).toMatchObject({
    error: "Passwords do not match",
    non_field_errors: ["Passwords do not match"],
  });
  expect(await wrong({ username: undefined, password: "", password2: null })).toMatchObject({
    code: "missing_fields",
    username: ["This field is required."],
    password: ["This field may not be blank."],
    password2: ["This field may not be null."],
  });
  expect(await wrong({ username: "b b", email: "nope" })).toMatchObject({
    code: "invalid_request",
    status: 400,
    username: [expect.any(String)],
    email: [expect.any(String)],
  });
  const weak = await wrong({ username: "bob", password: "1234567", password2: "1234567" });
  expect(weak.password).toEqual(weak.details);
});

it("signs in under the old names, and reads a flat user", async () => {
  const { body } = await login("ada", PASSWORD);
  expect(body).toMatchObject({ access: body.access_token, refresh: body.refresh_token });
  const user = (await call("user", undefined, body.access)).body;
  expect(user).toMatchObject({ id: user.user.id, username: "ada", email: "" });
});

it("goes on with the refresh token of its login, two at a time, while no successor is presented", async () => {
  const { refresh } = (await login("ada", PASSWORD)).body;
  const first = await call("token/refresh", { refresh });
  for (let i = 0; i < 3; i += 1) {
    await pause(20);
    const answers = await Promise.all([1, 2].map(() => call("token/refresh", { refresh })));
    for (const { status, body } of answers) {
      expect([status, body.refresh]).toEqual([200, first.body.refresh]);
      expect((await call("user", undefined, body.access)).status).toBe(200);
    }
  }
  const adopted = await call("token/refresh", { refresh: first.body.refresh });
  expect(adopted.status, "a client that does store it has rotation").toBe(200);
  expect((await call("token/refresh", { refresh })).body.code).toBe("refresh_token_reused");
  expect((await call("token/refresh", { refresh: adopted.body.refresh })).status).toBe(401);
  for (const bad of [null, "", "undefined", "null", 7])
    expect((await call("token/refresh", { refresh: bad })).status, String(bad)).toBeGreaterThanOrEqual(400);
});

it("goes on with the refresh token that Django gave it", async () => {
  const { token: refresh = "", user_id } = vectors.tokens[0] ?? {};
  const answers = [];
  for (let i = 0; i < 4; i += 1) {
    answers.push(await call("token/refresh", { refresh }));
    await pause(20);
  }
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect(new Set(answers.map(({ body }) => body.refresh)).size).toBe(1);
  expect((await call("user", undefined, answers[3]?.body.access)).body.id).toBe(user_id);
  await call("token/refresh", { refresh: answers[0]?.body.refresh });
  expect((await call("token/refresh", { refresh })).body.code).toBe("refresh_token_reused");
});

it("signs an imported user in with spaces around, until the hash is renewed; nobody else", async () => {
  const { username = "", password = "" } = logins.logins[0] ?? {};
  for (const [name, typed] of [
    [username, ` ${password} `],
    [` ${username}`, password],
    [`${username}\n`, `${password}\t`],
  ] as const)
    expect((await login(name, typed)).status, JSON.stringify([name, typed])).toBe(200);
  expect((await login(username, ` ${password}x `)).status).toBe(401);
  expect((await login(username, password)).status).toBe(200);
  expect((await login(username, ` ${password}`)).status, "the hash is ours now").toBe(401);
  expect((await login(` ${username}`, password)).status).toBe(401);
  expect((await login("ada", ` ${PASSWORD}`)).status).toBe(401);
});
