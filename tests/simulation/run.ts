/** Runs schedules one after another, each from a seed of its own, and sums up what came of them. */
import type { SessionPolicy } from "../../objects/user-authority/family.ts";
import type { Authority } from "./authority.ts";
import type { Finding } from "./checkers.ts";
import { type Counts, noCounts } from "./judge.ts";
import { type Decisions, ObjectModel, REAL } from "./object-model.ts";
import { Prng } from "./prng.ts";
import { runSchedule, somePolicy } from "./schedule.ts";
import { World } from "./world.ts";

export type RunOptions = {
  /** Of the first schedule; each next one has the next number. */
  seed: number;
  schedules: number;
  decisions?: Decisions;
  /** What is asked which tokens would be acceptable; what decides, unless said. */
  probed?: Decisions;
  /** Stop after this many schedules that went wrong. */
  failuresMax?: number;
  stepsMax?: number;
  trace?: (line: string) => void;
  /** In place of the model: the object itself, with the settings that it has. */
  object?: { policy: SessionPolicy; open: (userId: number) => Authority; userId: number };
};

export type Failure = { seed: number; schedule: number; step: number; findings: Finding[]; what: string };

export type Summary = {
  seed: number;
  schedules: number;
  steps: number;
  falseSignOuts: number;
  theftsOutlived: number;
  forks: number;
  /** Schedules in which any other invariant broke. */
  otherFailures: number;
  failures: Failure[];
} & Counts;

const SEEDS = 2 ** 32;
/** When the model's time begins, and how much later a schedule does. */
const EPOCH_MS = 1_790_000_000_000;
const START_MS_MAX = 1_000_000;

/** Any seed, for a run that nobody asked to repeat. */
export function seedFromClock(): number {
  return Date.now() % SEEDS;
}

export async function runSchedules(options: RunOptions): Promise<Summary> {
  const { seed, schedules, stepsMax, object, trace = null } = options;
  const { decisions = REAL, probed = decisions, failuresMax = Infinity } = options;
  const summary: Summary = {
    seed,
    schedules: 0,
    steps: 0,
    falseSignOuts: 0,
    theftsOutlived: 0,
    forks: 0,
    otherFailures: 0,
    failures: [],
    ...noCounts(),
  };
  while (summary.schedules < schedules && summary.failures.length < failuresMax) {
    const own = (seed + summary.schedules) % SEEDS;
    summary.schedules += 1;
    const prng = new Prng(own);
    const policy = object?.policy ?? somePolicy(prng);
    const userId = (object?.userId ?? 0) + summary.schedules;
    const authority = object?.open(userId) ?? new ObjectModel(policy, decisions);
    const nowMs = (object === undefined ? EPOCH_MS : Date.now()) + prng.int(0, START_MS_MAX);
    const note = (line: () => string) => trace?.(line());
    const world = new World({ seed: own, prng, policy, userId, nowMs, authority, probed, note });
    const step = await runSchedule(world, stepsMax);
    add(summary, step, world);
  }
  return summary;
}

function add(summary: Summary, step: number, { judge, edge, seed }: World): void {
  summary.steps += step;
  const counts = judge.finished(edge.nowMs);
  for (const key of Object.keys(counts) as (keyof Counts)[]) summary[key] += counts[key];
  const findings = [...new Set(judge.violations.map(({ finding }) => finding))];
  if (findings.includes("false_sign_out")) summary.falseSignOuts += 1;
  else if (findings.includes("theft_outlived")) summary.theftsOutlived += 1;
  else if (findings.includes("fork")) summary.forks += 1;
  else if (findings.length > 0) summary.otherFailures += 1;
  const what = judge.violations.map((violation) => violation.what).join("; ");
  if (findings.length > 0) summary.failures.push({ seed, schedule: summary.schedules, step, findings, what });
}
