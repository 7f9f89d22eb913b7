/** Started with the README's command, killed without warning, started again on the same folder. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { pause, type Server, startServer } from "../support/server.ts";

const SECRETS = join(import.meta.dirname, "../../.dev.vars");
const folder = mkdtempSync(join(tmpdir(), "session-authority-"));
// One issuer for both runs: in development it is the origin, and the port differs.
const vars = { ISSUER: "http://authority.test", AUDIENCE: "http://authority.test" };
let server: Server;

afterAll(async () => {
  await server.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

type Session = { access_token: string; refresh_token: string; session_id: string };

// biome-ignore lint/suspicious/noExplicitAny: the test looks into whatever was answered
type Answer = { status: number; body: any };

async function call(path: string, body?: unknown, token?: string, address = "192.0.2.1"): Promise<Answer> {
  const response = await fetch(
    `${server.base}/api/${path.startsWith("admin/") ? path : `accounts/${path}`}`,
    {
      method: body === undefined ? "GET" : "POST",
      headers: {
        "CF-Connecting-IP": address,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  );
  return { status: response.status, body: await response.json() };
}

it("DUR-01, DUR-02, REV-03: SIGKILL loses nothing that was acknowledged, and revoked stays revoked", async () => {
  server = await startServer(folder, vars);
  const password = "a quiet harbour 27";
  const first: Session = (await call("register", { username: "ada", password, password2: password })).body;
  const second: Session = (await call("login", { username: "ada", password })).body;
  const third: Session = (await call("login", { username: "ada", password })).body;
  const lost: Session = (await call("token/refresh", { refresh_token: first.refresh_token })).body;
  const ended = await call("logout", { scope: "local" }, second.access_token);
  expect(ended.body.message).toBe("Logout successful");
  await server.kill("SIGKILL");

  server = await startServer(folder, vars);
  const again = await call("token/refresh", { refresh_token: first.refresh_token });
  expect(again.body.refresh_token, "a lost answer is still recovered").toBe(lost.refresh_token);
  expect((await call("token/refresh", { refresh_token: third.refresh_token })).status).toBe(200);
  const refused = await call("token/refresh", { refresh_token: second.refresh_token });
  expect(refused.body.code).toBe("refresh_token_revoked");
  await pause(2500); // what was not delivered when the process died is delivered by the alarm
  expect((await call("user", undefined, second.access_token)).body.code).toBe("access_token_revoked");
  expect((await call("user", undefined, lost.access_token)).status).toBe(200);

  for (const line of server
    .stdout()
    .split("\n")
    .filter((one) => one.startsWith("{"))) {
    expect(JSON.parse(line)).toMatchObject({ at: expect.any(String), level: expect.any(String) });
    expect(line).not.toMatch(/eyJ|harbour/);
  }
  expect(statSync(SECRETS).mode & 0o777).toBe(0o600);
  await server.kill("SIGTERM");
});

it("LCK-08: SIGKILL forgets no lockout, no limit and no block", async () => {
  server = await startServer(folder, vars);
  const [, token = ""] = /^ADMIN_TOKEN=["']?([^"'\n]+)/m.exec(readFileSync(SECRETS, "utf8")) ?? [];
  const password = "a quiet harbour 27";
  const registration = (username: string) => ({ username, password, password2: password });
  const register = (username: string) => call("register", registration(username), undefined, "203.0.113.1");
  for (const name of ["bea", "cal", "dee"]) expect((await register(name)).status).toBe(201);
  const guess = (typed: string, address: string) =>
    call("login", { username: "bea", password: typed }, undefined, address);
  for (let i = 0; i < 5; i += 1) expect((await guess("not this", `203.0.113.${10 + i}`)).status).toBe(401);
  const block = { ip: "203.0.113.99", seconds: 3600, reason: "seen in an attack" };
  expect((await call("admin/security/blocks", block, token, "203.0.113.2")).status).toBeLessThan(300);
  await server.kill("SIGKILL");

  server = await startServer(folder, vars);
  expect((await guess(password, "203.0.113.20")).body.code).toBe("account_locked");
  expect((await register("eve")).body.code).toBe("rate_limited");
  expect((await guess(password, "203.0.113.99")).body.code).toBe("address_blocked");
  await server.kill("SIGTERM");
});
