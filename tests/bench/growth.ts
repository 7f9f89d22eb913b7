/** Does a refresh notice how many users there are, or how many sessions its user once had? */
import type { Options } from "./arguments.ts";
import { Findings, type Goal } from "./goals.ts";
import type { Host } from "./host.ts";
import { ask } from "./load.ts";
import { measure, type Row } from "./measure.ts";
import type { Scenario } from "./scenarios.ts";
import { addressOf, refreshLoops, type SignedIn, signIn } from "./users.ts";

const WORKING_SET = 64;
const ONE_BATCH = 100;
const FEW = "refresh, few users";
const MANY = "refresh, many users";
const FRESH = "refresh, no past sessions";
const PAST = "refresh, many past sessions";

/**
 * The two sides of a comparison run in turn, in the same rounds: few users live in the objects of
 * one Worker, many in another's of the same code. `from`: the first user number that nobody uses.
 */
export async function measureGrowth(
  host: Host,
  options: Options,
  from: number,
): Promise<{ rows: Row[]; goals: Goal[] }> {
  const { pastSessions, usersWithPast } = options;
  const [few, many] = options.users;
  const numbers = (count: number, first: number) => Array.from({ length: count }, (_, i) => first + i);
  const population = await signIn(host, numbers(many, from));
  const small = await signIn(host, numbers(few, from), { worker: "small" });
  const past = await signIn(host, numbers(usersWithPast, from + many));
  const withPast = await Promise.all(past.map((user) => giveItAPast(host, user, pastSessions)));
  const fresh = await signIn(host, numbers(usersWithPast, from + many + usersWithPast));

  const refreshing = (
    name: string,
    users: SignedIn[],
    worker: Scenario["worker"],
    purpose: number,
  ): Scenario => {
    return { name, worker, at: [1, 8], open: (loops) => refreshLoops(users, loops, purpose) };
  };
  const rows = await measure(
    host,
    [
      refreshing(FEW, small.slice(0, WORKING_SET), "small", 6),
      refreshing(MANY, spread(population, WORKING_SET), "service", 7),
      refreshing(FRESH, fresh, "service", 8),
      refreshing(PAST, withPast, "service", 9),
    ],
    options,
  );
  const found = new Findings(rows);
  const times = (name: string, ours: string, other: string): Goal => {
    return { name, found: found.ratio({ name: ours }, { name: other }), unit: "×", atMost: 1.1 };
  };
  return {
    rows,
    goals: [
      times(`refresh with ${many} users ÷ with ${few}`, MANY, FEW),
      times(`refresh with ${pastSessions} past sessions ÷ with none`, PAST, FRESH),
    ],
  };
}

/** Signs in and out until so many sessions are past, and once more. */
async function giveItAPast(host: Host, user: SignedIn, sessions: number): Promise<SignedIn> {
  let last = user;
  for (let past = 0; past < sessions; past += ONE_BATCH) {
    [last = user] = await signIn(host, [user.id], { each: Math.min(ONE_BATCH, sessions - past) });
    await ask(host.origins.service, {
      method: "POST",
      path: "/api/accounts/logout",
      address: addressOf(user.id, 0),
      token: last.access,
      body: { scope: "global" },
    });
  }
  const [now = last] = await signIn(host, [user.id]);
  return now;
}

/** So many of them, from first to last. */
function spread(users: readonly SignedIn[], count: number): SignedIn[] {
  const step = Math.max(1, Math.floor(users.length / count));
  return users.filter((_, index) => index % step === 0).slice(0, count);
}
