/**
 * The move from Django as an operator makes it: one import of the export, then `npm start` with Django's key. What
 * Django had given out must come out as it was measured there, line by line.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startImport, VECTORS } from "../support/import-command.ts";
import { type Server, startServer } from "../support/server.ts";
import vectors from "../vectors/django/legacy.json" with { type: "json" };

const folder = mkdtempSync(join(tmpdir(), "session-authority-moving-"));
let server: Server;
let address = 0;

beforeAll(async () => {
  const args = [join(VECTORS, "pg_dump.sql"), "--local", "--persist-to", folder];
  const { code, stderr } = await startImport(args, folder).finished;
  expect(code, stderr).toBe(0);
  server = await startServer(folder, {
    DJANGO_SECRET_KEY: vectors.secret_key,
    LEGACY_UNTIL: "2036-12-31",
    LEGACY_KEY_IS_PUBLIC: "accept-forgeries",
  });
});
afterAll(async () => {
  await server.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

/** Each request from an address of its own: the limits are not what is tested. */
async function ask(path: string, headers: Record<string, string>, body?: object) {
  address += 1;
  const response = await fetch(`${server.base}/api/accounts/${path}`, {
    method: path === "user" ? "GET" : "POST",
    headers: { "CF-Connecting-IP": `10.9.${address >> 8}.${address & 255}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}
const refresh = (refresh_token: string) =>
  ask("token/refresh", { "Content-Type": "application/json" }, { refresh_token });

function expectOutcome(verdict: string, { status, text }: { status: number; text: string }): void {
  expect(status).toBeLessThan(500);
  if (verdict === "must-accept") expect(status, text).toBe(200);
  if (verdict === "must-reject") expect([400, 401], text).toContain(status);
}

describe("after one import", () => {
  it.each(vectors.tokens.map((one, n) => [n, one.kind, one.case, one] as const))(
    "token %i, %s: %s",
    async (_n, _kind, _case, { kind, token, verdict, user_id }) => {
      const answer = await (kind === "refresh"
        ? refresh(token)
        : ask("user", { Authorization: `Bearer ${token}` }));
      expectOutcome(verdict, answer);
      if (answer.status === 200 && typeof user_id === "number") {
        expect(JSON.parse(answer.text).user.id).toBe(user_id);
      }
    },
  );

  it.each(vectors.sessions.map((one) => [one.case, one] as const))(
    "session: %s",
    async (_case, { session_key, verdict, user_id }) => {
      const answer = await ask("session/exchange", { "X-Django-Session": session_key });
      expectOutcome(verdict, answer);
      if (answer.status !== 200) return;
      const { user, refresh_token } = JSON.parse(answer.text);
      expect(user.id).toBe(user_id);
      expect((await refresh(refresh_token)).status).toBe(200);
    },
  );
});
