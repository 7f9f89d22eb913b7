/** `npm run smoke` against the service as a user starts it, and against one that does something wrong. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DJANGO_STEP, smoke } from "../../scripts/smoke/smoke.ts";
import { ROOT, runWrangler } from "../../scripts/wrangler.ts";
import { type Server, startServer } from "../support/server.ts";

const folder = mkdtempSync(join(tmpdir(), "session-authority-"));
const STEPS = [
  ...["health", "register", "login", "user", "refresh", "reuse refused"],
  ...["revoke-all (of the smoke user)", "revoked tokens refused", DJANGO_STEP],
];
let server: Server;

beforeAll(async () => {
  server = await startServer(folder);
});

afterAll(async () => {
  await server.kill("SIGINT");
  rmSync(folder, { recursive: true, force: true });
});

function runSmoke(...options: string[]): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, ["scripts/smoke.ts", ...options], { cwd: ROOT });
  let out = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (out += chunk));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out })));
}

/** How many users the database has: each run takes its own away. */
async function countUsers(): Promise<number> {
  const where = ["--local", "--persist-to", folder, "--env", "", "--json"];
  const output = await runWrangler(["d1", "execute", "DB", ...where, "--command", "SELECT id FROM users"]);
  return JSON.parse(output.slice(output.indexOf("[")))[0].results.length;
}

type Wrong = (
  request: IncomingMessage,
  status: number,
  text: string,
) => { status: number; text: string } | null;

/** The service, but what `wrong` says of an answer is answered instead. */
async function withFault<Value>(wrong: Wrong, run: (base: string) => Promise<Value>): Promise<Value> {
  const proxy = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { authorization, "content-type": type, "cf-connecting-ip": address } = request.headers;
    const real = await fetch(`${server.base}${request.url}`, {
      method: request.method ?? "GET",
      headers: Object.entries({ authorization, "content-type": type, "cf-connecting-ip": address }).flatMap(
        ([name, value]): [string, string][] => (typeof value === "string" ? [[name, value]] : []),
      ),
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
    });
    const text = await real.text();
    const answer = wrong(request, real.status, text) ?? { status: real.status, text };
    response.writeHead(answer.status).end(answer.text);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    return await run(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
}

it("every step holds against a service that works, and nothing stays behind", async () => {
  const { code, out } = await runSmoke("--base", server.base, "--persist-to", folder);
  expect(out.trim().split("\n")).toEqual([
    ...STEPS.map((step) => `ok      ${step}`),
    "ok      clean-up",
    "smoke: all 10 steps held",
  ]);
  expect(code).toBe(0);
  expect(await countUsers()).toBe(0);
});

it("a service that lets a replaced token live is named by that step; the rest is not claimed; no secret is shown", async () => {
  const { code, out } = await withFault(
    (_, status, text) =>
      status === 401 && text.includes("refresh_token_reused") ? { status: 200, text: "{}" } : null,
    (base) => runSmoke("--base", base, "--persist-to", folder),
  );
  expect(code).toBe(1);
  expect(out).toContain("FAILED  reuse refused: expected 401 refresh_token_reused, got 200");
  expect(out).toContain(`smoke: FAILED: reuse refused. Not reached: ${STEPS.slice(6).join("; ")}.`);
  expect(out).not.toMatch(/eyJ|smoke-/);
  expect(await countUsers()).toBe(0);
});

it("a Django hash that cannot be verified, as with the deployed runtime's own PBKDF2, fails; the user is taken out of D1", async () => {
  const isDjango = new Set<string>();
  const { failed, held } = await withFault(
    ({ url }, status, text) => {
      if (url === "/api/accounts/login" && status === 200 && text.includes('"smoke-django-')) {
        isDjango.add(url);
        return { status: 500, text: '{"code":"internal_error"}' };
      }
      return null;
    },
    (base) => smoke({ base, database: { kind: "local", persistTo: folder }, version: null, say: () => {} }),
  );
  expect(isDjango.size).toBe(1);
  expect(failed).toEqual([DJANGO_STEP]);
  expect(held).toEqual([...STEPS.slice(0, -1), "clean-up"]);
  expect(await countUsers()).toBe(0);
});

it("a service that is not well fails at once; without a database the step is said to be unchecked", async () => {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const unwell = await withFault(
    ({ url }) => (url === "/api/health" ? { status: 503, text: '{"status":"unhealthy"}' } : null),
    (base) => smoke({ base, database: null, version: null, say }),
  );
  expect(unwell.failed).toEqual(["health"]);
  expect(lines[0]).toBe("FAILED  health: expected 200, got 503");
  const well = await smoke({ base: server.base, database: null, version: null, say });
  expect(well).toEqual({ held: [...STEPS.slice(0, -1), "clean-up"], failed: [], notChecked: [DJANGO_STEP] });
});

it.for([
  [[], "--base is an origin"],
  [["--base", "http://authority.example"], "--base is https"],
  [["--base", "https://authority.example/api"], "--base is an origin"],
  [["--base", "https://authority.example", "--persist-to", "x"], "--persist-to is for this machine"],
  [["--base", "http://127.0.0.1:1", "--persist-to", "nowhere"], "no service keeps its state in"],
] as const)("a command line that cannot be meant is refused: %j", async ([options, problem]) => {
  const { code, out } = await runSmoke(...options);
  expect(code).toBe(2);
  expect(out).toContain(`smoke: ${problem}`);
});
