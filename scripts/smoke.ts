/**
 * `npm run smoke -- --base URL [--persist-to DIR | --env NAME] [--expect-version ID]`
 *
 * Whether a running service does what people need of it. Exit status: 0 if every step held; 1 if
 * one did not, and it is named; 2 if the command line is wrong.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ENVIRONMENTS } from "./deploy/plan.ts";
import { isLocal } from "./smoke/client.ts";
import type { Database } from "./smoke/django-user.ts";
import { type Options, smoke } from "./smoke/smoke.ts";
import { ROOT } from "./wrangler.ts";

const USAGE = `usage: npm run smoke -- --base URL [--persist-to DIR | --env NAME] [--expect-version ID]
  --base URL            the service: an origin, https unless it is this machine
  --persist-to DIR      the state folder of a service on this machine; .wrangler/state
  --env NAME            the environment of wrangler.toml that a deployed service is, whose D1 wrangler may write
  --expect-version ID   the version that must answer`;

const { held, failed, notChecked } = await smoke(optionsOrExit());
if (failed.length > 0) {
  console.error(`smoke: FAILED: ${failed.join("; ")}. Not reached: ${notChecked.join("; ") || "nothing"}.`);
  process.exitCode = 1;
} else if (notChecked.length > 0) {
  console.error(`smoke: ${held.length} steps held. NOT CHECKED: ${notChecked.join("; ")}.
!! This is what differs in production. Name the environment (--env NAME) to check it.`);
} else {
  console.log(`smoke: all ${held.length} steps held`);
}

function optionsOrExit(): Options {
  try {
    const { values } = parseArgs({
      options: {
        base: { type: "string" },
        env: { type: "string" },
        "persist-to": { type: "string" },
        "expect-version": { type: "string" },
      },
    });
    const { base, env, "persist-to": persistTo, "expect-version": version = null } = values;
    const url = URL.parse(base ?? "");
    if (url === null || url.href !== `${url.origin}/`) return usage("--base is an origin");
    if (url.protocol !== "https:" && !(url.protocol === "http:" && isLocal(url.origin)))
      return usage("--base is https: passwords go there");
    const database = databaseOf(url.origin, env, persistTo);
    return { base: url.origin, database, version, say: (line) => console.log(line) };
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

function databaseOf(base: string, env: string | undefined, persistTo: string | undefined): Database | null {
  if (env !== undefined && persistTo !== undefined) return usage("--env or --persist-to, not both");
  if (env !== undefined) {
    const environment = ENVIRONMENTS.find((one) => one === env);
    return environment === undefined
      ? usage(`--env is ${ENVIRONMENTS.join(" or ")}`)
      : { kind: "remote", environment };
  }
  if (!isLocal(base)) return persistTo === undefined ? null : usage("--persist-to is for this machine");
  const folder = resolve(ROOT, persistTo ?? ".wrangler/state");
  if (!existsSync(join(folder, "v3/d1")))
    return usage(`no service keeps its state in ${folder}: --persist-to`);
  return { kind: "local", persistTo: folder };
}

function usage(problem: string): never {
  console.error(`smoke: ${problem}\n${USAGE}`);
  process.exit(2);
}
