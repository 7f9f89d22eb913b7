/** The steps of a deployment, what stands in their way, and what happens when one of them fails. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Facts, type Plan, planDeployment } from "../../scripts/deploy/plan.ts";
import { runPlan, shown } from "../../scripts/deploy/run.ts";
import { ROOT } from "../../scripts/wrangler.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const BEFORE = "11111111-1111-4111-8111-111111111111";
const AFTER = "22222222-2222-4222-8222-222222222222";
const FACTS: Facts = {
  environment: "staging",
  commit: COMMIT,
  isClean: true,
  hasPassedStaging: false,
  hasOrigin: true,
  base: "https://auth.example",
  wrongSettings: [],
  wrongSecrets: [],
  contractions: [],
  secretsFile: null,
};
const commands = ({ steps }: Plan) => steps.map(({ name, command }) => `${name}: ${shown(command)}`);

describe("the plan", () => {
  test("staging: tests, the version to go back to, migrations, deployment, smoke, and the word of it", () => {
    const plan = planDeployment(FACTS);
    expect(plan.refusals).toEqual([]);
    expect(commands(plan)).toEqual([
      "tests: npm test",
      "running version: wrangler deployments status --env staging --json",
      "migrations: wrangler d1 migrations apply DB --remote --env staging",
      `deploy: wrangler deploy --env staging --tag 0123456789ab --message 'commit ${COMMIT}'`,
      "smoke: npm run --silent smoke -- --base https://auth.example --env staging --expect-version '<the version just deployed>'",
      `record: git tag --force passed-staging/${COMMIT} ${COMMIT}`,
      `share the record: git push origin refs/tags/passed-staging/${COMMIT}`,
    ]);
    expect(commands(planDeployment({ ...FACTS, hasOrigin: false })).at(-1)).toMatch(/^record: /);
  });

  test("production: the same, and it records nothing; only for a commit that passed staging", () => {
    const facts: Facts = { ...FACTS, environment: "production" };
    expect(planDeployment(facts).refusals).toEqual([
      `commit ${COMMIT} has not passed staging: npm run deploy -- staging`,
    ]);
    const plan = planDeployment({ ...facts, hasPassedStaging: true });
    expect(plan.refusals).toEqual([]);
    expect(plan.steps.map(({ name }) => name)).toEqual([
      "tests",
      "running version",
      "migrations",
      "deploy",
      "smoke",
    ]);
    for (const { command } of plan.steps.slice(1)) expect(command.join(" ")).toContain("--env production");
  });

  test("a first deployment brings its secrets as a file and has nothing to go back to", () => {
    const plan = planDeployment({ ...FACTS, secretsFile: "/safe/secrets.json" });
    expect(plan.steps.map(({ name }) => name)).not.toContain("running version");
    expect(commands(plan)[2]).toMatch(/^deploy: .* --secrets-file \/safe\/secrets\.json$/);
    expect(plan.rollback).toBeNull();
  });

  test("everything that stands in its way is said at once", () => {
    const { refusals } = planDeployment({
      ...FACTS,
      isClean: false,
      base: "",
      wrongSettings: ["ISSUER", "AUDIENCE"],
      wrongSecrets: ["JWT_SIGNING_KEYS"],
      contractions: [{ file: "0099_x.sql", statement: "DROP TABLE users" }],
    });
    expect(refusals).toEqual([
      "the working tree is not clean: what is deployed must be a commit",
      "it is not said where the service answers: ISSUER in wrangler.toml, or --base",
      "settings in wrangler.toml are wrong: ISSUER, AUDIENCE",
      "secrets in the file are missing or wrong: JWT_SIGNING_KEYS",
      "0099_x.sql takes away what older code reads: DROP TABLE users",
    ]);
  });
});

/** Commands that all succeed, but for those that begin like `failing`. */
async function run(plan: Plan, failing: string[] = [], status: string = statusOf(BEFORE)) {
  const ran: string[] = [];
  const said: string[] = [];
  const isDone = await runPlan(
    plan,
    async (command) => {
      const line = shown(command);
      ran.push(line);
      if (failing.some((one) => line.startsWith(one))) return { code: 1, stdout: "" };
      if (line.startsWith("wrangler deployments")) return { code: 0, stdout: status };
      if (line.startsWith("wrangler deploy "))
        return { code: 0, stdout: `Uploaded\nCurrent Version ID: ${AFTER}\n` };
      return { code: 0, stdout: "" };
    },
    (line) => said.push(line),
  );
  return { isDone, ran, said: said.filter((line) => !line.startsWith("---")) };
}

function statusOf(...ids: string[]): string {
  const versions = ids.map((version_id) => ({ version_id, percentage: 100 / ids.length }));
  return JSON.stringify({ id: "d", versions });
}

const ROLLBACK = `wrangler rollback ${BEFORE} --env staging --yes --message '0123456789ab failed'`;

describe("the run", () => {
  test("all well: the version that was deployed is the one that smoke expects", async () => {
    const { isDone, ran, said } = await run(planDeployment(FACTS));
    expect(isDone).toBe(true);
    expect(said).toEqual([]);
    expect(ran).toHaveLength(7);
    expect(ran[4]).toContain(`--expect-version ${AFTER}`);
  });

  test.for(["npm run --silent smoke", "wrangler deploy "])(
    "a failing %s is rolled back, and recorded nowhere",
    async (failing) => {
      const { isDone, ran, said } = await run(planDeployment(FACTS), [failing]);
      expect(isDone).toBe(false);
      expect(ran.at(-1)).toBe(ROLLBACK);
      expect(ran.join()).not.toContain("git tag");
      expect(said).toEqual([
        expect.stringMatching(/^FAILED at (?:smoke|deploy): exit status 1\.$/),
        `ROLLED BACK to version ${BEFORE}. Migrations stay; they only expand.`,
      ]);
    },
  );

  test("a rollback that fails is told with the command to run by hand", async () => {
    const { said } = await run(planDeployment(FACTS), ["npm run --silent smoke", "wrangler rollback"]);
    expect(said.at(-1)).toBe(`ROLLBACK FAILED, and the failed version may be serving. By hand: ${ROLLBACK}`);
  });

  test.for(["npm test", "wrangler deployments", "wrangler d1"])(
    "a failing %s deploys nothing",
    async (failing) => {
      const { isDone, ran, said } = await run(planDeployment(FACTS), [failing]);
      expect(isDone).toBe(false);
      expect(ran.join()).not.toMatch(/wrangler (?:deploy |rollback)/);
      expect(said.at(-1)).toMatch(/^Nothing was deployed/);
    },
  );

  test("a record that cannot be kept takes nothing back", async () => {
    const { isDone, ran, said } = await run(planDeployment(FACTS), ["git push"]);
    expect(isDone).toBe(false);
    expect(ran.join()).not.toContain("rollback");
    expect(said.at(-1)).toMatch(/^What was deployed stays/);
  });

  test("a first deployment that fails says that there is nothing to go back to", async () => {
    const plan = planDeployment({ ...FACTS, secretsFile: "/safe/secrets.json" });
    const { isDone, said } = await run(plan, ["npm run --silent smoke"]);
    expect(isDone).toBe(false);
    expect(said.at(-1)).toMatch(/^NOT ROLLED BACK/);
  });

  test.for([
    [statusOf(BEFORE, AFTER), "two versions share the traffic: end the gradual deployment first"],
    ["no JSON", "it does not say which version runs"],
    ['{"versions": []}', "it does not say which version runs"],
  ] as const)("without one version to go back to, it stops: %s", async ([status, problem]) => {
    const { isDone, ran, said } = await run(planDeployment(FACTS), [], status);
    expect(isDone).toBe(false);
    expect(ran).toHaveLength(2);
    expect(said[0]).toBe(`FAILED at running version: ${problem}.`);
  });
});

describe("the command", () => {
  const deploy = (...options: string[]) =>
    spawnSync(process.execPath, ["scripts/deploy.ts", ...options], { cwd: ROOT, encoding: "utf8" });

  test("--dry-run prints the steps", () => {
    const { stdout } = deploy("staging", "--dry-run", "--base", "https://auth.example");
    const names = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(":")[0]);
    expect(names.slice(0, 6)).toEqual([
      "tests",
      "running version",
      "migrations",
      "deploy",
      "smoke",
      "record",
    ]);
    expect(names.at(-1)).toBe("if deploy or smoke fails");
  });

  test.for([
    ["nothing", "", "JWT_SIGNING_KEYS, REFRESH_TOKEN_SECRET, DATA_ENCRYPTION_KEY"],
    ["a short one, as JSON", '{"ADMIN_TOKEN":"short"}', "ADMIN_TOKEN"],
  ])(
    "a first deployment whose file of secrets has %s is refused by name, before anything is done",
    ([, text, names]) => {
      const folder = mkdtempSync(join(tmpdir(), "secrets-"));
      const file = join(folder, "secrets");
      writeFileSync(file, text ?? "");
      const { status, stderr } = deploy("staging", "--first", "--secrets-file", file);
      rmSync(folder, { recursive: true });
      expect(status).toBe(1);
      const [, told = ""] = /secrets in the file are missing or wrong: (.*)/.exec(stderr) ?? [];
      expect(told.split(", ")).toEqual(expect.arrayContaining((names ?? "").split(", ")));
      expect(stderr).not.toContain("short");
    },
  );

  test.for([
    [[], "name one environment"],
    [["development"], "name one environment"],
    [["staging", "--first"], "--first and --secrets-file go together"],
    [["staging", "--base", "http://auth.example"], "--base is an https origin"],
  ] as const)("a command line that cannot be meant is refused: %j", ([options, problem]) => {
    const { status, stderr } = deploy(...options);
    expect(status).toBe(2);
    expect(stderr).toContain(`deploy: ${problem}`);
  });
});
