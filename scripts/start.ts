/**
 * `npm start`: development secrets, D1 migrations, then `wrangler dev`. Options pass through
 * (`npm start -- --port N --ip ADDR --persist-to DIR --var NAME:VALUE`). The Worker's log lines
 * go to stdout, all that wrangler itself has to say to stderr.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { ensureDevSecrets } from "./dev-secrets.ts";
import { ROOT, runWrangler, startWrangler } from "./wrangler.ts";

const PARENT_CHECK_MS = 300;
const PORT = /^[0-9]{1,5}$/;
const options = process.argv.slice(2);
const { values } = parseArgs({
  args: options,
  options: {
    "persist-to": { type: "string", default: join(ROOT, ".wrangler/state") },
    ip: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8787" },
  },
  strict: false,
});

if (!PORT.test(String(values.port))) {
  console.error(`start: --port is a number, not ${values.port}`);
  process.exit(2);
}

const added = await ensureDevSecrets(join(ROOT, ".dev.vars"));
if (added.length > 0) console.error(`made development secrets in .dev.vars: ${added.join(", ")}`);

const persistTo = String(values["persist-to"]);
const environment = ["--env", ""];
const migrate = ["d1", "migrations", "apply", "DB", "--local", "--persist-to", persistTo, ...environment];
await runWrangler(migrate).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});

const given = (name: string): boolean => options.some((one) => one === name || one.startsWith(`${name}=`));
const defaults = (["ip", "port", "persist-to"] as const).flatMap((name) =>
  given(`--${name}`) ? [] : [`--${name}`, String(values[name])],
);
const server = startWrangler([
  "dev",
  ...environment,
  "--show-interactive-dev-session=false",
  ...defaults,
  ...options,
]);
forward(server);
startGuard();

server.once("close", (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => server.kill("SIGTERM"));

// A parent that was killed forwards no signal; what is left of the server goes with this process.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, PARENT_CHECK_MS).unref();

function forward(child: ChildProcess): void {
  if (child.stdout === null || child.stderr === null) return;
  createInterface({ input: child.stdout }).on("line", (line) => {
    (line.startsWith("{") ? process.stdout : process.stderr).write(`${line}\n`);
  });
  child.stderr.pipe(process.stderr);
}

/** A process of its own that ends what is left of the server when this one is gone, however it went. */
function startGuard(): void {
  const script = join(import.meta.dirname, "orphan-guard.ts");
  spawn(process.execPath, [script, String(process.pid)], { detached: true, stdio: "ignore" }).unref();
}
