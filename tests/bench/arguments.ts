/** The command line of the bench. Pure. */
import { parseArgs } from "node:util";

export type Options = {
  /** Every scenario is measured once a round, in an order of the round's own. */
  rounds: number;
  sliceMs: number;
  /** Revoke-all: how many sessions a user has, and how many users and sessions a round may use up for it. */
  revokeSizes: number[];
  revokedEach: number;
  revokeSessions: number;
  /** Growth: few and many users, sessions that a user once had, and how many users have such a past. */
  users: [number, number];
  pastSessions: number;
  usersWithPast: number;
  parts: Part[];
  /** How long a soak takes. */
  minutes: number;
  /** Only scenarios whose name holds this; null for all. */
  only: string | null;
  json: string | null;
};

export const PARTS = ["operations", "growth", "calls", "start", "soak"] as const;
export type Part = (typeof PARTS)[number];
/** A soak is measured where it is asked for. */
const USUAL: readonly Part[] = ["operations", "growth", "calls", "start"];

export const USAGE = `usage: npm run bench -- [--quick] [--rounds N] [--slice-ms N] [--part ${PARTS.join("|")}]…
                     [--minutes N] [--only TEXT] [--json FILE]`;

const FULL = {
  rounds: 7,
  sliceMs: 500,
  revokeSizes: [1, 10, 100, 1000],
  revokedEach: 12,
  revokeSessions: 2000,
  users: 10_000,
  usersWithPast: 8,
};
const QUICK = {
  rounds: 3,
  sliceMs: 250,
  revokeSizes: [1, 10, 100],
  revokedEach: 6,
  revokeSessions: 400,
  users: 1_000,
  usersWithPast: 2,
};
const FEW_USERS = 100;
const SOAK_MINUTES = 10;
const PAST_SESSIONS = 1_000;
const WHOLE = /^[1-9][0-9]{0,5}$/;

/** Throws a RangeError that says how to ask, for anything that is not understood. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parse(args);
  const size = values.quick ? QUICK : FULL;
  const parts = values.part.map((name) => PARTS.find((part) => part === name) ?? wrong(`no part ${name}`));
  return {
    rounds: whole(values.rounds, size.rounds),
    sliceMs: whole(values["slice-ms"], size.sliceMs),
    revokeSizes: size.revokeSizes,
    revokedEach: size.revokedEach,
    revokeSessions: size.revokeSessions,
    users: [FEW_USERS, size.users],
    pastSessions: PAST_SESSIONS,
    usersWithPast: size.usersWithPast,
    parts: parts.length === 0 ? [...USUAL] : parts,
    minutes: whole(values.minutes, SOAK_MINUTES),
    only: values.only ?? null,
    json: values.json ?? null,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        "slice-ms": { type: "string" },
        part: { type: "string", multiple: true, default: [] },
        minutes: { type: "string" },
        only: { type: "string" },
        json: { type: "string" },
      },
    });
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
}

function whole(value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  return WHOLE.test(value) ? Number(value) : wrong(`${value} is no whole number from 1 to 999999`);
}

function wrong(problem: string): never {
  throw new RangeError(`${problem}\n${USAGE}`);
}
