/** The example's two resource servers, started as its README says, beside the service they trust. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "../../scripts/wrangler.ts";
import { type Server, startServer } from "../support/server.ts";

const WRANGLER = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
const READY = /Ready on (http:\/\/[\d.:]+)/;

const folder = mkdtempSync(join(tmpdir(), "session-authority-"));
// Where local Workers find one another by name; a folder of its own keeps other runs out of it.
process.env.WRANGLER_REGISTRY_PATH = join(folder, "registry");

const username = `bound-${process.pid}`;
const examples: ChildProcess[] = [];
let authority: Server;
let byBinding: string;
let byJwks: string;
let token: string;

beforeAll(async () => {
  authority = await startServer(join(folder, "authority"));
  const settings = ["--var", `ISSUER:${authority.base}`, "--var", `AUDIENCE:${authority.base}`];
  [byBinding, byJwks, token] = await Promise.all([
    startExample("by-binding"),
    startExample("by-jwks", settings),
    register(),
  ]);
});

afterAll(async () => {
  await Promise.all(examples.map(end));
  await authority.kill("SIGINT");
  rmSync(folder, { recursive: true, force: true });
});

/** Starts one of the examples on a free port and answers where it is. */
function startExample(name: string, options: string[] = []): Promise<string> {
  const config = join("examples/resource-server", `${name}.toml`);
  const dev = ["dev", "-c", config, "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"];
  const child = spawn(process.execPath, [WRANGLER, ...dev, "--persist-to", join(folder, name), ...options], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" },
  });
  examples.push(child);
  return new Promise((resolve, reject) => {
    let output = "";
    const hear = (chunk: Buffer): void => {
      output += chunk.toString();
      const [, base] = READY.exec(output) ?? [];
      if (base !== undefined) resolve(base);
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.once("exit", () => reject(new Error(`${name} did not start:\n${output}`)));
  });
}

/** Ends the whole process group and waits until it has gone. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-child.pid, "SIGTERM");
  await ended;
}

async function register(): Promise<string> {
  const password = "a quiet harbour 27";
  const answer = await fetch(`${authority.base}/api/accounts/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password, password2: password }),
  });
  return JSON.parse(await answer.text()).access_token;
}

async function call(base: string, token: string, method = "GET"): Promise<{ status: number; body: unknown }> {
  const response = await fetch(base, { method, headers: { Authorization: `Bearer ${token}` } });
  return { status: response.status, body: await response.json() };
}

it("both accept a good token and refuse a bad one; an end reaches the bound one at once, the other never", async () => {
  const claims = { username, role: "user" };
  const answer = (tier: string) => ({ status: 200, body: { ...claims, tier } });
  expect(await call(byBinding, token)).toEqual(answer("leased"));
  expect(await call(byBinding, token, "POST")).toEqual(answer("confirmed"));
  expect(await call(byJwks, token)).toEqual({ status: 200, body: claims });
  const refused = { status: 401, body: { error: "invalid_token" } };
  for (const base of [byBinding, byJwks]) expect(await call(base, `${token}x`)).toEqual(refused);

  const body = new URLSearchParams({ token });
  expect((await fetch(`${authority.base}/oauth/revoke`, { method: "POST", body })).status).toBe(200);
  expect(await call(byBinding, token)).toEqual(refused);
  expect(await call(byBinding, token, "POST")).toEqual(refused);
  expect((await call(byJwks, token)).status, "until the token expires").toBe(200);
});

it("without the authority the bound one is undecided, 503; the other goes on with the keys it has", async () => {
  await authority.kill("SIGINT");
  expect((await call(byBinding, token)).status).toBe(503);
  expect((await call(byJwks, token)).status).toBe(200);
});
