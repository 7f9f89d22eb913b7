/**
 * Mail of a service as it is deployed, to a provider over real HTTP that fails, hangs and recovers,
 * while the service itself is killed without warning: nothing is lost, and nothing is sent twice.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Provider, startProvider } from "../support/mail-provider.ts";
import { pause, type Server, startServer } from "../support/server.ts";

const TRIES = 600;
const folder = mkdtempSync(join(tmpdir(), "session-authority-"));
let provider: Provider;
let server: Server;

const settings = () => ({
  ENVIRONMENT: "staging",
  ISSUER: "https://authority.test",
  AUDIENCE: "https://authority.test",
  APP_ORIGIN: "https://app.test",
  ALLOWED_ORIGINS: "https://app.test",
  MAIL_TRANSPORT: "resend",
  MAIL_FROM: "Authority <auth@authority.test>",
  MAIL_API_URL: provider.url,
  MAIL_API_KEY: "re_test",
});

beforeAll(async () => {
  provider = await startProvider();
  server = await startServer(folder, settings());
});

afterAll(async () => {
  await server.kill("SIGINT");
  await provider.close();
  rmSync(folder, { recursive: true, force: true });
});

async function post(path: string, body: unknown): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.base}/api/accounts/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "CF-Connecting-IP": "192.0.2.9" },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < TRIES && !isSo(); i += 1) await pause(100);
  expect(isSo()).toBe(true);
}

it("a failure, a silence, a killed service and a recovery: one message a mail, with a link that works", async () => {
  const password = "a quiet harbour 27";
  const account = { username: "ada", email: "Ada@example.com", password, password2: password };
  provider.mood = 500;
  expect((await post("register", account)).status, "an outage of mail is no outage of anything else").toBe(
    201,
  );
  expect((await post("password/reset", { email: "ada@EXAMPLE.com" })).status).toBe(200);
  await until(() => provider.attempts.length >= 2);
  provider.mood = "hang";
  const before = provider.attempts.length;
  await until(() => provider.attempts.length > before);
  await server.kill("SIGKILL");

  provider.mood = 200;
  server = await startServer(folder, settings());
  expect((await post("login", account)).status).toBe(200);
  await until(() => provider.taken.size === 2);
  await pause(3000); // time enough for one too many
  const taken = [...provider.taken.values()];
  expect(taken.map(({ body }) => body.subject).sort()).toEqual([
    "Confirm your email address",
    "Reset your password",
  ]);
  for (const { key, body, authorization } of provider.attempts) {
    expect(body.to).toEqual(["Ada@example.com"]);
    expect(authorization).toBe("Bearer re_test");
    expect(body, "every attempt at a mail is the same message").toEqual(provider.taken.get(key)?.body);
  }

  const reset = taken.find(({ body }) => body.subject === "Reset your password");
  const [, token] = /https:\/\/app\.test\/reset-password#token=(\S+)/.exec(reset?.body.text ?? "") ?? [];
  const confirm = { token, new_password: "another quiet harbour 28" };
  expect((await post("password/reset/confirm", confirm)).status).toBe(200);
  await until(() => provider.taken.size === 3);
  expect((await fetch(`${server.base}/dev/outbox`)).status, "a door of development alone").toBe(404);
  const log = server
    .stdout()
    .split("\n")
    .filter((line) => line.startsWith("{")); // npm repeats the command
  expect(log.length).toBeGreaterThan(0);
  expect(log.join("\n")).not.toContain(token);
  expect(log.join("\n")).not.toMatch(/example\.com|re_test/i);
});
