/** What a deployment does, in which order, and what stands in its way. Pure: commands in, commands out. */
import type { Contraction } from "./migrations.ts";

export const ENVIRONMENTS = ["staging", "production"] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

export type Facts = {
  environment: Environment;
  /** The full name of the commit that is checked out. */
  commit: string;
  /** Nothing is changed or untracked in the working tree. */
  isClean: boolean;
  hasPassedStaging: boolean;
  /** Whether there is a remote repository `origin`, to which the word of a passed staging goes. */
  hasOrigin: boolean;
  /** Where the service answers: an origin, or empty if it is nowhere set. */
  base: string;
  /** Variables of the environment that would stop the service. */
  wrongSettings: string[];
  /** Secrets of the file that are missing or would stop the service; none if there is no file. */
  wrongSecrets: string[];
  contractions: Contraction[];
  /** For a first deployment, the file that its secrets are in; null: the Worker exists. */
  secretsFile: string | null;
};

export type Step = {
  name: string;
  command: string[];
  /** What is learnt from the output: it stands for RUNNING or DEPLOYED in what follows. */
  learns?: "running" | "deployed";
  /** What has reached the users by now is taken back. */
  rollsBack?: true;
};

export type Plan = { refusals: string[]; steps: Step[]; rollback: Step | null };

/** In a command, in place of a version that is known only by then. */
export const RUNNING = "<the version that runs now>";
export const DEPLOYED = "<the version just deployed>";

/** The tag that says that a commit has passed staging: set once its smoke test there has held. */
export function passedTag(commit: string): string {
  return `passed-staging/${commit}`;
}

export function planDeployment(facts: Facts): Plan {
  const { environment, commit, base, secretsFile } = facts;
  const env = ["--env", environment];
  const isFirst = secretsFile !== null;
  const steps: Step[] = [
    { name: "tests", command: ["npm", "test"] },
    // The one to go back to.
    ...(isFirst ? [] : [running(env)]),
    { name: "migrations", command: ["wrangler", "d1", "migrations", "apply", "DB", "--remote", ...env] },
    {
      name: "deploy",
      command: [
        ...["wrangler", "deploy", ...env, "--tag", commit.slice(0, 12), "--message", `commit ${commit}`],
        ...(isFirst ? ["--secrets-file", secretsFile] : []),
      ],
      learns: "deployed",
      rollsBack: true,
    },
    {
      name: "smoke",
      command: [
        ...["npm", "run", "--silent", "smoke", "--", "--base", base, ...env],
        ...["--expect-version", DEPLOYED],
      ],
      rollsBack: true,
    },
    ...(environment === "staging" ? recording(facts) : []),
  ];
  const rollback: Step | null = isFirst
    ? null
    : {
        name: "rollback",
        command: [
          "wrangler",
          "rollback",
          RUNNING,
          ...env,
          "--yes",
          "--message",
          `${commit.slice(0, 12)} failed`,
        ],
      };
  return { refusals: refusalsOf(facts), steps, rollback };
}

/** Every reason at once why this may not begin. */
function refusalsOf(facts: Facts): string[] {
  const { environment, commit, isClean, hasPassedStaging, base, wrongSettings, wrongSecrets, contractions } =
    facts;
  return [
    ...(isClean ? [] : ["the working tree is not clean: what is deployed must be a commit"]),
    ...(environment === "staging" || hasPassedStaging
      ? []
      : [`commit ${commit} has not passed staging: npm run deploy -- staging`]),
    ...(base === "" ? ["it is not said where the service answers: ISSUER in wrangler.toml, or --base"] : []),
    ...(wrongSettings.length === 0
      ? []
      : [`settings in wrangler.toml are wrong: ${wrongSettings.join(", ")}`]),
    ...(wrongSecrets.length === 0
      ? []
      : [`secrets in the file are missing or wrong: ${wrongSecrets.join(", ")}`]),
    ...contractions.map(({ file, statement }) => `${file} takes away what older code reads: ${statement}`),
  ];
}

function running(env: string[]): Step {
  return {
    name: "running version",
    command: ["wrangler", "deployments", "status", ...env, "--json"],
    learns: "running",
  };
}

function recording({ commit, hasOrigin }: Facts): Step[] {
  const tag = passedTag(commit);
  return [
    { name: "record", command: ["git", "tag", "--force", tag, commit] },
    ...(hasOrigin
      ? [{ name: "share the record", command: ["git", "push", "origin", `refs/tags/${tag}`] }]
      : []),
  ];
}
