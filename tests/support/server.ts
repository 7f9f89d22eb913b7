/** The service as a user starts it: `npm start` in a process group of its own, on a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const READY_TRIES = 1200;
const READY_PAUSE_MS = 200;
/** Wrangler goes on after this one and never serves. */
const FATAL = /Address already in use/;
const PORTS = { from: 20_000, to: 32_000 };

export type Server = { base: string; stdout: () => string; kill: (signal: NodeJS.Signals) => Promise<void> };

/** Starts the service and waits for `GET /api/health` to answer 200, or `status`. */
export async function startServer(
  persistTo: string,
  vars: Record<string, string> = {},
  status = 200,
): Promise<Server> {
  const port = await freePort();
  const options = Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  // An inspector left to itself takes the port that another server may be taking at this moment.
  const where = ["--port", String(port), "--inspector-port", "0", "--persist-to", persistTo];
  const child = spawn("npm", ["start", "--", ...where, ...options], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let everything = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
    everything += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    everything += chunk;
  });
  const base = `http://127.0.0.1:${port}`;
  for (let i = 0; i < READY_TRIES; i += 1) {
    const isReady = await fetch(`${base}/api/health`).then(
      (response) => response.status === status,
      () => false,
    );
    if (isReady) return { base, stdout: () => stdout, kill: (signal) => end(child, signal, port) };
    if (child.exitCode !== null || FATAL.test(everything)) break;
    await pause(READY_PAUSE_MS);
  }
  await end(child, "SIGKILL", port);
  throw new Error(`the service did not start:\n${everything}`);
}

/** Sends the signal to the whole group and waits until nothing listens any more. */
async function end(child: ChildProcess, signal: NodeJS.Signals, port: number): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode === null && child.pid !== undefined) {
    process.kill(-child.pid, signal);
    await ended;
  }
  for (let i = 0; i < READY_TRIES; i += 1) {
    const isUp = await fetch(`http://127.0.0.1:${port}/api/health`).then(
      () => true,
      () => false,
    );
    if (!isUp) return;
    await pause(READY_PAUSE_MS);
  }
  throw new Error(`something still listens on ${port}`);
}

/** Below the ports that systems give to outgoing connections, one of which could be faster than the service. */
async function freePort(): Promise<number> {
  const port = randomInt(PORTS.from, PORTS.to);
  return (await isFree(port)) ? port : freePort();
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
