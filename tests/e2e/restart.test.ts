/** Started with the README's command, killed without warning, started again on the same folder. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { pause, type Server, startServer } from "../support/server.ts";

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
async function call(path: string, body?: unknown, token?: string): Promise<{ status: number; body: any }> {
  const response = await fetch(`${server.base}/api/accounts/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

it("DUR-01, DUR-02: SIGKILL loses nothing that was acknowledged, and revoked stays revoked", async () => {
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
  expect(statSync(join(import.meta.dirname, "../../.dev.vars")).mode & 0o777).toBe(0o600);
  await server.kill("SIGTERM");
});
