/**
 * A morning of honest traffic, and attacks, against the real decisions: what share of honest clients
 * is hindered, and whether any attack got more evaluated guesses than its limit.
 */
import { type Config, readConfig } from "../../../schema/config.ts";
import { Prng } from "../prng.ts";
import { type Attempt, type Outcome, Service } from "./service.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const START_MS = 1_800_000_000_000;
const OFFICES = 40;
const MOBILE_ADDRESSES = 20;
const TYPO = 0.08;
const FORGETFUL = 0.004;
const STALE_MANAGER = 0.02;
const KNOWN = 0.6;
/** As long as the guard lets a guess wait for its turn, and how often it asks here meanwhile. */
const WAIT_MS = 5 * SECOND;
const ASK_AGAIN_MS = 50;
/** The arrivals that the defaults are judged by: a whole office within so many minutes. */
export const JUDGED_MINUTES = 180;

export type Summary = {
  seed: number;
  clients: number;
  /** Honest clients that were refused at least once, by the answer that they got first. */
  hindered: Record<string, number>;
  hinderedShare: number;
  /** The same by how many people are behind the client's address; 0: a telephone. */
  bySize: Map<number, { clients: number; hindered: number }>;
  attacks: { name: string; evaluated: number; limit: number }[];
  exceeded: number;
};

type Person = { account: string; isKnown: boolean; addressAt: () => string; officeSize: number };
type Step = { atMs: number; run: () => void };

/** The settings that are simulated: the defaults, with these in their place. */
export function configWith(vars: Record<string, string> = {}): Config {
  const secret = {
    JWT_SECRET: "Qm7vX2pL9sK4tR8wZ1yB6nC3dF5gH0jV",
    REFRESH_TOKEN_SECRET: "hT5rW8eQ2uY9iO1pA6sD3fG7jK0lZ4xC",
    DATA_ENCRYPTION_KEY: "xK2mB7vN4cQ9wE1rT6yU8iP3oA5sD0fG",
  };
  const reading = readConfig({ ...secret, ...vars });
  if (reading.kind === "wrong") throw new Error(JSON.stringify(reading.problems));
  return reading.config;
}

/** `minutes`: within how many everybody arrives. */
export function simulateTraffic(
  seed: number,
  config: Config = configWith(),
  minutes = JUDGED_MINUTES,
): Summary {
  const prng = new Prng(seed);
  const hindered: Record<string, number> = {};
  const bySize: Summary["bySize"] = new Map();
  const people = [...offices(prng), ...mobiles(prng)];
  const service = new Service(config);
  const clock = new Clock();
  for (const person of people) {
    const ofSize = bySize.get(person.officeSize) ?? { clients: 0, hindered: 0 };
    bySize.set(person.officeSize, ofSize);
    ofSize.clients += 1;
    comeToWork(person, prng, clock, service, minutes, (outcome) => {
      hindered[outcome] = (hindered[outcome] ?? 0) + 1;
      ofSize.hindered += 1;
    });
  }
  clock.run();
  const count = Object.values(hindered).reduce((sum, one) => sum + one, 0);
  const attacks = attacksOn(prng, config);
  return {
    seed,
    clients: people.length,
    hindered,
    hinderedShare: count / people.length,
    bySize,
    attacks,
    exceeded: attacks.filter(({ evaluated, limit }) => evaluated > limit).length,
  };
}

/** Many people behind one address each. */
function offices(prng: Prng): Person[] {
  return Array.from({ length: OFFICES }, (_, office) => {
    const officeSize = prng.int(5, 60);
    return Array.from({ length: officeSize }, (_person, index) => ({
      account: `office-${office}-${index}`,
      isKnown: prng.chance(KNOWN),
      addressAt: () => `office-${office}`,
      officeSize,
    }));
  }).flat();
}

/** Telephones, whose carrier gives them another of its addresses each time. */
function mobiles(prng: Prng): Person[] {
  return Array.from({ length: 400 }, (_, index) => ({
    account: `mobile-${index}`,
    isKnown: prng.chance(KNOWN),
    addressAt: () => `carrier-${prng.int(1, MOBILE_ADDRESSES)}`,
    officeSize: 0,
  }));
}

/** One sign-in some time of the morning, with what goes wrong before it succeeds. */
function comeToWork(
  person: Person,
  prng: Prng,
  clock: Clock,
  service: Service,
  minutes: number,
  onHindered: (outcome: Outcome) => void,
): void {
  let failuresLeft = 0;
  let pause = () => prng.int(5, 25) * SECOND;
  let givesUp = false;
  if (prng.chance(FORGETFUL)) {
    failuresLeft = prng.int(3, 7);
    givesUp = prng.chance(0.5);
  } else if (prng.chance(STALE_MANAGER)) {
    failuresLeft = prng.int(2, 3); // it retries at once what it has stored
    pause = () => prng.int(1, 2) * SECOND;
  } else if (prng.chance(TYPO)) failuresLeft = prng.int(1, 2);
  let isHindered = false;
  const attempt = (): void => {
    const one = { ...person, address: person.addressAt(), isRight: failuresLeft <= 0 };
    signIn(one, { prng, clock, service }, (outcome) => {
      failuresLeft -= 1;
      if (outcome === "signed_in") return;
      if (outcome !== "wrong" && !isHindered) {
        isHindered = true;
        onHindered(outcome);
      }
      if (outcome === "account_locked" || (givesUp && failuresLeft <= 0)) return;
      clock.in(outcome === "wrong" ? pause() : 5 * MINUTE, attempt);
    });
  };
  clock.in(prng.int(0, minutes * MINUTE), attempt);
}

/** One request: it waits for its turn where it must, and is hashed. */
function signIn(
  one: Omit<Attempt, "atMs">,
  world: { prng: Prng; clock: Clock; service: Service },
  after: (outcome: Outcome) => void,
): void {
  const { prng, clock, service } = world;
  const untilMs = clock.nowMs + WAIT_MS;
  const ask = (): void => {
    const settle = service.login({ ...one, atMs: clock.nowMs });
    if (settle === "wait" && clock.nowMs < untilMs) clock.in(ASK_AGAIN_MS, ask);
    else if (settle === "wait") after("rate_limited");
    else if (typeof settle === "string") after(settle);
    else clock.in(prng.int(40, 400), () => after(settle(clock.nowMs)));
  };
  ask();
}

/** Each attack against a service of its own, for as long as its limit holds. */
function attacksOn(prng: Prng, config: Config): Summary["attacks"] {
  const { abuse, lockoutThreshold } = config;
  const limitOf = (limit: number | undefined) => limit ?? Number.POSITIVE_INFINITY;
  const hammer = (
    name: string,
    limit: number,
    target: (i: number) => Pick<Attempt, "address" | "account">,
    minutes: number,
  ) => {
    const service = new Service(config);
    const clock = new Clock();
    let evaluated = 0;
    for (let i = 0; i < minutes * 20; i += 1) {
      clock.in(prng.int(0, minutes * MINUTE), () => {
        for (let burst = 0; burst < 10; burst += 1) {
          const one = { ...target(i * 10 + burst), isRight: false, isKnown: false };
          signIn(one, { prng, clock, service }, (outcome) => {
            if (outcome === "wrong") evaluated += 1;
          });
        }
      });
    }
    clock.run();
    return { name, evaluated, limit };
  };
  const spray = limitOf(abuse.password_spray?.limit);
  return [
    hammer(
      "one account from one address, 25 min",
      lockoutThreshold,
      () => ({ address: "a", account: "x" }),
      25,
    ),
    hammer(
      "one account from many addresses, 25 min",
      lockoutThreshold,
      (i) => ({ address: `a${i}`, account: "x" }),
      25,
    ),
    hammer(
      "many accounts from one address, 4 min",
      limitOf(abuse.rapid_login?.limit),
      (i) => ({ address: "a", account: `x${i}` }),
      4,
    ),
    hammer("many accounts from one address, 3 h", spray, (i) => ({ address: "a", account: `x${i}` }), 180),
    slowThenAtOnce(prng, config, spray),
    guessTokens(prng, config),
  ];
}

/** Under every other threshold until one short of the spray's, then as many at once as may be. */
function slowThenAtOnce(prng: Prng, config: Config, limit: number): Summary["attacks"][number] {
  const service = new Service(config);
  const clock = new Clock();
  let evaluated = 0;
  const attempt = (account: string): void => {
    signIn({ address: "a", account, isRight: false, isKnown: false }, { prng, clock, service }, (outcome) => {
      if (outcome === "wrong") evaluated += 1;
    });
  };
  for (let i = 0; i < 9; i += 1) clock.in(i * 5 * MINUTE, () => attempt(`slow-${i}`));
  for (let i = 0; i < 100; i += 1) clock.in(46 * MINUTE, () => attempt(`burst-${i}`));
  clock.run();
  return { name: "many accounts slowly, then a hundred at once", evaluated, limit };
}

/** Ten in flight at a time: each is told before its answer, which the guard's order decides. */
function guessTokens(prng: Prng, config: Config): Summary["attacks"][number] {
  const IN_FLIGHT = 10;
  const service = new Service(config);
  const clock = new Clock();
  let evaluated = 0;
  const next = (): void => {
    if (clock.nowMs > START_MS + HOUR) return;
    const tell = service.badToken("a", clock.nowMs);
    clock.in(prng.int(5, 50), () => {
      if (tell !== false && tell(clock.nowMs)) evaluated += 1;
      clock.in(tell === false ? SECOND : 0, next);
    });
  };
  for (let i = 0; i < IN_FLIGHT; i += 1) clock.in(0, next);
  clock.run();
  const limit = config.abuse.token_brute_force?.limit ?? Number.POSITIVE_INFINITY;
  return { name: "forged tokens, ten in flight, 1 h", evaluated, limit };
}

/** Simulated time: what was planned first runs first. */
class Clock {
  nowMs = START_MS;
  #steps: Step[] = [];

  in(delayMs: number, run: () => void): void {
    const step = { atMs: this.nowMs + delayMs, run };
    let [low, high] = [0, this.#steps.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#steps[middle]?.atMs ?? 0) > step.atMs) low = middle + 1;
      else high = middle;
    }
    this.#steps.splice(low, 0, step); // the latest first
  }

  run(): void {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      this.nowMs = step.atMs;
      step.run();
    }
  }
}
