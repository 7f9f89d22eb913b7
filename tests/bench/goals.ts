/** The goals, as ratios and numbers of one run, and whether it met them. Pure. */
import type { Metric, Reading, Row } from "./measure.ts";
import { ratios, type Spread, spreadOf } from "./statistics.ts";

/** What one round, or one part of the run, says about a goal; `atMost` or `atLeast` is the goal. */
export type Goal = {
  name: string;
  found: Spread | null;
  unit: "×" | "ms" | "" | "MiB";
} & ({ atMost: number } | { atLeast: number });

type Of = { name: string; loops?: number };

export class Findings {
  readonly #rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    this.#rows = rows;
  }

  /** Round by round, one operation's figure by another's. Null if either was not measured. */
  ratio(ours: Of, floor: Of, metric: Metric = "p50"): Spread | null {
    return ratios(this.#readings(ours, metric), this.#readings(floor, metric));
  }

  /** Round by round, what one operation takes more than another, in milliseconds. */
  difference(ours: Of, floor: Of): Spread | null {
    const others = this.#readings(floor, "p50");
    const found = this.#readings(ours, "p50").flatMap((one, round) => {
      const other = others[round] ?? null;
      return one === null || other === null ? [] : [one - other];
    });
    return spreadOf(found);
  }

  value(of: Of, metric: Metric): Spread | null {
    return spreadOf(this.#readings(of, metric).filter((one) => one !== null));
  }

  #readings({ name, loops = 1 }: Of, metric: Metric): (number | null)[] {
    const row = this.#rows.find((one) => one.name === name && one.loops === loops);
    return (row?.readings ?? []).map((reading: Reading) => reading[metric]);
  }
}

/** The fastest peers' share of the floor's throughput on refresh (32 at once), times the goal's factor. */
const DJANGO_SHARE = 0.24 * 3.5;
const DURABLE_PEER_SHARE = 0.36 * 3;

/** Those that follow from the operations' rows. */
export function operationGoals(rows: readonly Row[], revokeSizes: readonly number[]): Goal[] {
  const found = new Findings(rows);
  const share = found.ratio(
    { name: "refresh", loops: 32 },
    { name: "refresh floor", loops: 32 },
    "perSecond",
  );
  const largest = Math.max(...revokeSizes);
  const times = (name: string, ours: string, floor: string, atMost: number): Goal => {
    return { name, found: found.ratio({ name: ours }, { name: floor }), unit: "×", atMost };
  };
  return [
    times("verify ÷ signature check", "verify", "signature check", 1.25),
    times("… like for like, token in a body", "verify", "signature check, token in a body", 1.25),
    times("verify over RPC ÷ signature check", "verify over RPC", "signature check", 1.25),
    times("… like for like, over RPC", "verify over RPC", "signature check over RPC", 1.25),
    times("GET user ÷ signature check + D1 read", "GET user", "signature check + D1 read", 1.5),
    times("refresh ÷ refresh floor", "refresh", "refresh floor", 1.6),
    {
      name: "refresh, share of the floor's req/s at 32: 3.5 × Django's",
      found: share,
      unit: "×",
      atLeast: DJANGO_SHARE,
    },
    {
      name: "refresh, share of the floor's req/s at 32: 3 × the best durable peer's",
      found: share,
      unit: "×",
      atLeast: DURABLE_PEER_SHARE,
    },
    times("login, hash taken out ÷ login floor", "login, hash taken out", "login floor", 1.8),
    {
      name: "login − hash alone",
      found: found.difference({ name: "login" }, { name: "hash alone" }),
      unit: "ms",
      atMost: 3,
    },
    { name: "hash alone, CPU", found: found.value({ name: "hash alone" }, "cpuMs"), unit: "ms", atMost: 60 },
    times(`revoke-all of ${largest} ÷ of 1`, `revoke-all of ${largest}`, "revoke-all of 1", 1.2),
    times("revoke-all of 1 ÷ object write", "revoke-all of 1", "object write", 1.5),
    {
      name: "verify beside four logins",
      found: found.value({ name: "verify beside four logins" }, "p50"),
      unit: "ms",
      atMost: 5,
    },
  ];
}

export function bundleGoal(gzipBytes: number): Goal {
  return { name: "bundle, gzip", found: spreadOf([gzipBytes / 2 ** 20]), unit: "MiB", atMost: 1 };
}

/** By the middle of the rounds; null if nothing was measured. */
export function isMet(goal: Goal): boolean | null {
  if (goal.found === null) return null;
  return "atMost" in goal ? goal.found.median <= goal.atMost : goal.found.median >= goal.atLeast;
}
