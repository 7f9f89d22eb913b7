/** Carries out a plan: one step after another, and back again when the users would feel a failure. */
import { DEPLOYED, type Plan, RUNNING, type Step } from "./plan.ts";

/** Runs a command to its end. `code` is null if a signal ended it. */
export type Execute = (command: readonly string[]) => Promise<{ code: number | null; stdout: string }>;

const DEPLOYED_VERSION = /Current Version ID:\s*([0-9a-f-]{36})/;

/** True if every step was done. If not, it has been said which failed and what runs now. */
export async function runPlan(plan: Plan, execute: Execute, say: (line: string) => void): Promise<boolean> {
  const known = new Map<string, string>();
  const filled = ({ command }: Step) => command.map((word) => known.get(word) ?? word);
  for (const step of plan.steps) {
    say(`--- ${step.name}: ${shown(filled(step))}`);
    const problem = await attempt(step, filled(step), execute, known);
    if (problem === null) continue;
    say(`FAILED at ${step.name}: ${problem}.`);
    if (step.rollsBack === true) await rollBack(plan.rollback, filled, execute, say);
    else say(AFTER[step.name] ?? "Nothing was deployed: what ran before goes on.");
    return false;
  }
  return true;
}

/** What there is to know about a step whose failure takes nothing back. */
const AFTER: Record<string, string> = {
  migrations:
    "Nothing was deployed: what ran before goes on. Migrations that were applied stay; they only expand.",
  record: "What was deployed stays, and works. Production will not take the commit before this is repaired.",
  "share the record":
    "What was deployed stays, and works; the word of it is in this clone alone. Push the tag to share it.",
};

async function attempt(
  step: Step,
  command: string[],
  execute: Execute,
  known: Map<string, string>,
): Promise<string | null> {
  const { code, stdout } = await execute(command);
  if (code !== 0) return code === null ? "it was interrupted" : `exit status ${code}`;
  if (step.learns === "running") {
    const versions = runningVersions(stdout);
    const [version] = versions;
    if (version === undefined) return "it does not say which version runs";
    if (versions.length > 1) return "two versions share the traffic: end the gradual deployment first";
    known.set(RUNNING, version);
  }
  if (step.learns === "deployed") {
    const [, version] = DEPLOYED_VERSION.exec(stdout) ?? [];
    if (version === undefined) return "it does not say which version was deployed";
    known.set(DEPLOYED, version);
  }
  return null;
}

async function rollBack(
  rollback: Step | null,
  filled: (step: Step) => string[],
  execute: Execute,
  say: (line: string) => void,
): Promise<void> {
  if (rollback === null) {
    say("NOT ROLLED BACK: this was the first deployment, and there is nothing before it.");
    return;
  }
  const command = filled(rollback);
  say(`--- ${rollback.name}: ${shown(command)}`);
  const { code } = await execute(command);
  if (code === 0) {
    say(`ROLLED BACK to version ${command[2]}. Migrations stay; they only expand.`);
  } else {
    say(`ROLLBACK FAILED, and the failed version may be serving. By hand: ${shown(command)}`);
  }
}

/** The versions that share the traffic, of what `wrangler deployments status --json` prints. */
function runningVersions(stdout: string): string[] {
  try {
    const { versions } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as {
      versions: { version_id: string }[];
    };
    return versions.map(({ version_id }) => version_id);
  } catch {
    return [];
  }
}

/** As it can be pasted into a shell. */
export function shown(command: readonly string[]): string {
  return command
    .map((word) => (word === "" || /[\s<>'"$]/.test(word) ? `'${word.replaceAll("'", "'\\''")}'` : word))
    .join(" ");
}
