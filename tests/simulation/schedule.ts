/** What happens next: one random schedule, with weights of its own so that no two are of a kind. */
import type { SessionPolicy } from "../../objects/user-authority/family.ts";
import type { Browser, Tab } from "./clients.ts";
import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

const STEPS_MIN = 40;
const STEPS_MAX = 300;
/** The share of what need not happen that a schedule leaves out. */
const LEFT_OUT = 0.4;
const CONCURRENT_MAX = 6;
/** How far a clock is ever put back: the machine that answers is another one. */
const BACK_MS_MAX = 3000;

export const DEFAULT_POLICY: SessionPolicy = {
  refreshTokenTtlSeconds: 86_400,
  sessionMaxAgeSeconds: 2_592_000,
  refreshGraceSeconds: 10,
  refreshGraceSameClientSeconds: 600,
  sessionsPerUserMax: 100,
  accessTokenTtlSeconds: 600,
  compatSimplejwt: false,
};

/** Mostly the settings that everyone has, with a cap that can be reached; sometimes odd ones. */
export function somePolicy(prng: Prng): SessionPolicy {
  const policy = {
    ...DEFAULT_POLICY,
    sessionsPerUserMax: prng.pick([1, 2, 3, 4, 5, 100]),
    compatSimplejwt: prng.chance(0.25),
  };
  if (prng.chance(0.75)) return policy;
  return {
    ...policy,
    refreshTokenTtlSeconds: prng.pick([1, 60, 60, 900]),
    sessionMaxAgeSeconds: prng.pick([30, 1000, 3600]),
    refreshGraceSeconds: prng.pick([0, 5, 60]),
    refreshGraceSameClientSeconds: prng.pick([0, 20, 60]),
    accessTokenTtlSeconds: prng.pick([1, 60]),
  };
}

type Happening = { weight: number; isNeeded?: true; happen: (world: World) => unknown };

const HAPPENINGS: readonly Happening[] = [
  { weight: 18, isNeeded: true, happen: (world) => toAnyTab(world, (tab) => world.use(tab)) },
  { weight: 8, isNeeded: true, happen: (world) => toAnyTab(world, (tab) => world.retry(tab)) },
  { weight: 24, isNeeded: true, happen: deliver },
  { weight: 16, isNeeded: true, happen: ({ network }) => network.deliverAnswer() },
  { weight: 16, isNeeded: true, happen: passTime },
  { weight: 4, happen: ({ network }) => network.loseRequest() },
  { weight: 6, happen: ({ network }) => network.loseAnswer() },
  { weight: 5, happen: ({ network }) => network.duplicate() },
  { weight: 0.5, happen: (world) => toAnyBrowser(world, (browser) => world.signIn(browser)) },
  { weight: 1.5, happen: (world) => toAnyBrowser(world, (browser) => world.logOut(browser)) },
  { weight: 3, happen: (world) => toAnyBrowser(world, (browser) => world.move(browser)) },
  { weight: 2, happen: (world) => toAnyBrowser(world, (browser) => world.steal(browser)) },
  { weight: 8, happen: (world) => toAny(world, world.thieves, (thief) => world.thieve(thief)) },
  { weight: 0.5, happen: ({ edge }) => edge.setActive(!edge.user.isActive) },
  { weight: 0.5, happen: ({ edge }) => edge.revokeEveryone() },
  { weight: 6, happen: ({ edge }) => edge.evict() },
  { weight: 3, happen: ({ edge }) => edge.alarm() },
];

/** Lets things happen until the schedule is over or something is wrong. Answers how many did. */
export async function runSchedule(world: World, stepsMax = STEPS_MAX): Promise<number> {
  const { prng, judge, browsers } = world;
  const weights = HAPPENINGS.map(({ weight, isNeeded }) => {
    const isLeftOut = isNeeded !== true && prng.chance(LEFT_OUT);
    return isLeftOut ? 0 : weight * (0.3 + prng.next());
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const steps = prng.int(STEPS_MIN, stepsMax);
  for (const browser of browsers) world.signIn(browser);
  for (let step = 1; step <= steps; step += 1) {
    let drawn = prng.next() * total;
    const index = weights.findIndex((weight) => {
      drawn -= weight;
      return drawn < 0;
    });
    try {
      await HAPPENINGS[index]?.happen(world);
    } catch (error) {
      judge.threw(error);
    }
    if (judge.violations.length > 0) return step;
  }
  return steps;
}

function toAny<T>({ prng }: World, list: readonly T[], happen: (one: T) => unknown): unknown {
  const one = prng.pickAny(list);
  return one === null ? null : happen(one);
}

function toAnyBrowser(world: World, happen: (browser: Browser) => unknown): unknown {
  return toAny(world, world.browsers, happen);
}

function toAnyTab(world: World, happen: (tab: Tab) => unknown): unknown {
  return toAnyBrowser(world, ({ tabs }) => toAny(world, tabs, happen));
}

function deliver(world: World): Promise<void> {
  return world.deliver(world.prng.chance(0.6) ? 1 : world.prng.int(2, CONCURRENT_MAX));
}

/** Mostly moments, often about a grace, rarely a day or a month, sometimes a little back. */
function passTime(world: World): void {
  const { prng, policy, edge } = world;
  const dice = prng.next();
  if (dice < 0.25) aimAtEnd(world);
  else if (dice < 0.3) edge.setClock(edge.nowMs - prng.int(1, BACK_MS_MAX));
  else {
    const seconds = pause(dice, policy);
    edge.setClock(edge.nowMs + prng.int(1, Math.ceil(seconds * 1200)));
  }
}

function pause(dice: number, policy: SessionPolicy): number {
  if (dice < 0.65) return 2;
  if (dice < 0.83) return policy.refreshGraceSeconds;
  if (dice < 0.97) return policy.refreshGraceSameClientSeconds;
  return dice < 0.99 ? policy.refreshTokenTtlSeconds : policy.sessionMaxAgeSeconds;
}

/** To the end of a grace or of a lifetime, to the millisecond, or to one beside it. */
function aimAtEnd({ prng, judge, policy, edge }: World): void {
  const live = [...judge.ledger.families.values()].filter((family) =>
    judge.ledger.isLive(family, edge.nowMs),
  );
  const family = prng.pickAny(live);
  if (family === null) return;
  const ends: number[] = [];
  if (prng.chance(0.1)) ends.push(family.head.token.exp * 1000, family.absoluteExpiresAt * 1000);
  const replacedMs = family.head.parent?.replaced?.atMs;
  if (replacedMs !== undefined) {
    ends.push(
      replacedMs + policy.refreshGraceSeconds * 1000,
      replacedMs + policy.refreshGraceSameClientSeconds * 1000,
    );
  }
  const ahead = ends.filter((end) => end > edge.nowMs);
  edge.setClock((prng.pickAny(ahead) ?? edge.nowMs) + prng.pick([0, 0, 1, -1]));
}
