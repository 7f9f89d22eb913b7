/**
 * `npm run deploy -- staging|production [--dry-run] [--base URL] [--first --secrets-file FILE]`
 *
 * Tests, migrations, deployment, smoke test; on failure back to what ran before. The account is
 * wrangler's own (`CLOUDFLARE_API_TOKEN`, or `wrangler login`). Exit status: 0 if all was done; 1 if
 * not; 2 if the command line is wrong.
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { parseArgs, parseEnv } from "node:util";
import { unstable_readConfig } from "wrangler";
import { readConfig } from "../schema/config.ts";
import { refusedContractions } from "./deploy/migrations.ts";
import { ENVIRONMENTS, type Environment, type Facts, passedTag, planDeployment } from "./deploy/plan.ts";
import { type Execute, runPlan, shown } from "./deploy/run.ts";
import { QUIET, ROOT } from "./wrangler.ts";

const USAGE = `usage: npm run deploy -- staging|production [--dry-run] [--base URL] [--first --secrets-file FILE]
  --dry-run             prints the steps, and what stands in their way
  --base URL            where the service answers, if that is not ISSUER
  --first               the Worker does not exist yet: there is nothing to go back to
  --secrets-file FILE   its secrets, NAME=value by line or JSON`;
const MIGRATIONS = join(ROOT, "schema/migrations");

const { environment, isDryRun, base, secretsFile } = optionsOrExit();
const plan = planDeployment(gatherFacts());
if (isDryRun) {
  for (const { name, command } of plan.steps) console.log(`${name}: ${shown(command)}`);
  console.log(
    plan.rollback === null
      ? "if deploy or smoke fails: no rollback, since there is nothing before the first deployment"
      : `if deploy or smoke fails: ${shown(plan.rollback.command)}`,
  );
}
for (const refusal of plan.refusals) console.error(`deploy: refused: ${refusal}`);
if (plan.refusals.length > 0) process.exitCode = 1;
else if (!isDryRun) {
  // Whoever interrupts it interrupts the step; what that takes is then decided here.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const isDone = await runPlan(plan, execute, (line) => console.error(line));
  console.error(isDone ? `deploy: done, ${environment} serves this commit` : "deploy: FAILED, see above");
  process.exitCode = isDone ? 0 : 1;
}

function gatherFacts(): Facts {
  const { vars } = unstable_readConfig({ config: join(ROOT, "wrangler.toml"), env: environment }) as {
    vars: Record<string, string>;
  };
  const reading = readConfig(secretsFile === null ? vars : { ...secretsOf(secretsFile), ...vars });
  const problems = reading.kind === "wrong" ? reading.problems.map(({ setting }) => setting) : [];
  const isVariable = (name: string) => Object.hasOwn(vars, name);
  const commit = git("rev-parse", "HEAD")?.trim() ?? "";
  const tag = `refs/tags/${passedTag(commit)}`;
  const hasOrigin = git("remote", "get-url", "origin") !== null;
  return {
    environment,
    commit,
    isClean: git("status", "--porcelain") === "",
    hasPassedStaging:
      git("rev-parse", "--verify", "--quiet", tag)?.trim() === commit ||
      (hasOrigin && (git("ls-remote", "origin", tag) ?? "").startsWith(`${commit}\t`)),
    hasOrigin,
    base: base ?? URL.parse(vars.ISSUER ?? "")?.origin ?? "",
    wrongSettings: problems.filter(isVariable),
    // Those that are deployed already cannot be read: the deployment asks for those that are required.
    wrongSecrets: secretsFile === null ? [] : problems.filter((name) => !isVariable(name)),
    contractions: refusedContractions(
      readdirSync(MIGRATIONS)
        .sort()
        .map((file) => ({ file, sql: readFileSync(join(MIGRATIONS, file), "utf8") })),
    ),
    secretsFile,
  };
}

/** The secrets of a file as wrangler reads it: JSON, or a line for each. */
function secretsOf(file: string): Record<string, string> {
  const text = readFileSync(file, "utf8");
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch {
    return parseEnv(text) as Record<string, string>;
  }
}

/** What git answers, or null if it refuses. */
function git(...args: string[]): string | null {
  try {
    return execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return null;
  }
}

function execute([program = "", ...args]: readonly string[]): ReturnType<Execute> {
  const PATH = [join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter);
  const child = spawn(program, args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...QUIET, PATH },
  });
  let stdout = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
    process.stdout.write(chunk);
  });
  return new Promise((settle) => {
    child.once("error", () => settle({ code: 127, stdout }));
    child.once("close", (code) => settle({ code, stdout }));
  });
}

type Options = {
  environment: Environment;
  isDryRun: boolean;
  base: string | null;
  secretsFile: string | null;
};

function optionsOrExit(): Options {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        "dry-run": { type: "boolean", default: false },
        base: { type: "string" },
        first: { type: "boolean", default: false },
        "secrets-file": { type: "string" },
      },
    });
    const [name, ...more] = positionals;
    const environment = ENVIRONMENTS.find((one) => one === name);
    if (environment === undefined || more.length > 0) return usage("name one environment");
    const { base, first, "secrets-file": file } = values;
    if (first !== (file !== undefined)) return usage("--first and --secrets-file go together");
    if (file !== undefined && !existsSync(file)) return usage(`there is no file ${file}`);
    if (base !== undefined && URL.parse(base)?.protocol !== "https:")
      return usage("--base is an https origin");
    return {
      environment,
      isDryRun: values["dry-run"],
      base: base === undefined ? null : new URL(base).origin,
      secretsFile: file === undefined ? null : resolve(file),
    };
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

function usage(problem: string): never {
  console.error(`deploy: ${problem}\n${USAGE}`);
  process.exit(2);
}
