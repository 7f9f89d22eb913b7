/** The README's sessions, pasted into a shell as it stands (but for the port). */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Server, startServer } from "../support/server.ts";

const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "session-authority-"));
let server: Server;

beforeAll(async () => {
  server = await startServer(folder, { RATE_LIMIT_REGISTER: "100/3600" }); // as it says, for more than three
});

afterAll(async () => {
  await server.kill("SIGINT");
  rmSync(folder, { recursive: true, force: true });
});

/** The first shell block under a heading, pointed at this server. */
function block(heading: string): string {
  const [, section = ""] = readme.split(`## ${heading}\n`);
  const [, script = ""] = /```sh\n([\s\S]*?)```/.exec(section) ?? [];
  return script.replaceAll("http://127.0.0.1:8787", server.base);
}

function lines(script: string): Record<string, unknown>[] {
  const output = execFileSync("bash", ["-c", script], { encoding: "utf8" });
  return output.split("\n").flatMap((line) => (line.trim() === "" ? [] : [JSON.parse(line)]));
}

it("a first session: signed in, refreshed twice to one successor, logged out, dead", () => {
  const [user, sessions, first, second, logout, dead, refused] = lines(block("A first session"));
  expect(user).toHaveProperty("user.username", expect.stringMatching(/^ada-\d+$/));
  expect(sessions).toHaveProperty("sessions.0.current", true);
  expect(first).toHaveProperty("message", "Token refreshed successfully");
  expect(second?.refresh_token).toBe(first?.refresh_token);
  expect(logout).toMatchObject({ message: "Logout successful", revoked: 1 });
  expect(dead).toHaveProperty("code", "access_token_revoked");
  expect(refused).toHaveProperty("code", "refresh_token_revoked");
});

it("a second factor: activated, a login in two steps, taken off by a recovery code", () => {
  const [activated, first, second, login] = lines(block("A second factor"));
  expect(activated?.recovery_codes).toHaveLength(10);
  expect(first).toHaveProperty("code", "mfa_required");
  expect(second).toHaveProperty("message", "Login successful");
  expect(login).toHaveProperty("message", "Login successful");
});

it("a forgotten password: asked for, set once by the mailed link, good for a login", () => {
  const [account, asked, set, again, login] = lines(block("A forgotten password"));
  expect(account).toHaveProperty("message", "User created successfully");
  expect(asked).toHaveProperty("message", expect.stringMatching(/on its way/));
  expect(set).toHaveProperty("message", "Password reset successful");
  expect(again).toHaveProperty("code", "invalid_reset_token");
  expect(login).toHaveProperty("message", "Login successful");
});

it("an API key: made by a session, and good for what it may", () => {
  const [user] = lines(block("Endpoints"));
  expect(user).toHaveProperty("user.username", expect.stringMatching(/^kay-\d+$/));
});

it("watching it: health, events, metrics, a report and counters, as pasted", () => {
  const output = execFileSync("bash", ["-c", block("Watching it")], { encoding: "utf8" });
  const [health, events, metrics] = output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  expect(health).toMatchObject({ status: "healthy", checks: { objects: { status: "healthy" } } });
  expect(events.events).toMatchObject([{ type: "login_failed", reason: "unknown_name" }]);
  expect(JSON.stringify(events)).not.toContain("nobody");
  expect(metrics.totals.login_failed).toBeGreaterThan(0);
  expect(output).toContain("# Security report");
  expect(output).toMatch(/^session_authority_events_total\{type="login_failed",risk="low"\} [1-9]/m);
  const lines = readFileSync("/tmp/events.ndjson", "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).type)).toContain("login_failed");
});
