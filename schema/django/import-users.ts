/** Brings users of Django into D1, a batch at a time: what is here already decides what becomes of each. */
import type { NumericDate } from "../time.ts";
import { decideImport, type ImportDecision, type Present } from "./decide-import.ts";
import type { DjangoUser } from "./tables.ts";
import { type ChangedUser, findPresent, type NewUser, writeUsers } from "./user-tables.ts";
import { decideUser, type ImportedUser, type UserDecision } from "./users.ts";
import { whileBusy } from "./while-busy.ts";

export type Verdict = ImportDecision["kind"];

/** What became of one record, in the order of the file. */
export type RowReport = {
  readonly pk: number;
  readonly username: string;
  readonly verdict: Verdict;
  /** Only beside `refused`. */
  readonly reason?: string;
  /** What an operator may want to know; never an error. */
  readonly notes?: readonly string[];
};

export type ImportOptions = {
  /** Migrated. Null is a database that does not exist yet: then only a dry run makes sense. */
  readonly db: D1Database | null;
  readonly dryRun: boolean;
  readonly now: NumericDate;
};

/** A batch is written whole or not at all. */
const BATCH_USERS_MAX = 500;
/** Code units of JSON: a parameter of D1 has at most 2 MB, at up to three bytes a unit and the e-mail twice. */
const BATCH_LENGTH_MAX = 300_000;
const NOTHING_PRESENT: Present = { byId: null, idOfUsername: null, isDeleted: false };
const CHANGED_MEANWHILE = "changed here while the import ran; run it once more";

type Plan = {
  readonly report: RowReport;
  readonly added?: NewUser;
  readonly changed?: ChangedUser;
};

/**
 * Yields one report for each user, once it is written; a dry run gives the same reports and writes nothing. Throws
 * what the source or the database throws: everything reported before is written then, and a repetition goes on
 * from there. Remembers id and name of every user (about 150 bytes each), to refuse what the file has twice.
 */
export async function* importUsers(
  users: AsyncIterable<DjangoUser>,
  { db, dryRun, now }: ImportOptions,
): AsyncGenerator<RowReport> {
  const decide = decideOnce();
  for await (const batch of batchesOf(users)) {
    const decided = batch.map((user) => ({ user, decision: decide(user) }));
    const rows = decided.flatMap(({ decision }) => (decision.kind === "row" ? [decision.row] : []));
    let attempted: readonly Plan[] = [];
    yield* await whileBusy(async () => {
      const presentOf = db === null ? () => NOTHING_PRESENT : await findPresent(db, rows);
      const plans = decided.map(({ user, decision }, index) => {
        const plan = planOf(user, decision, presentOf);
        // An attempt that failed may have been written: what is unchanged by now became so through it.
        const { report } = (plan.report.verdict === "unchanged" && attempted[index]) || plan;
        return { ...plan, report };
      });
      attempted = plans;
      return db === null || dryRun ? plans.map(({ report }) => report) : carryOut(db, plans, now);
    });
  }
}

function planOf(
  { pk, fields: { username } }: DjangoUser,
  decision: UserDecision,
  presentOf: (row: ImportedUser) => Present,
): Plan {
  const who = { pk, username };
  if (decision.kind === "refused") {
    return { report: { ...who, verdict: "refused", reason: decision.reason } };
  }
  const { row } = decision;
  const present = presentOf(row);
  const outcome = decideImport(row, present);
  if (outcome.kind === "refused") {
    return { report: { ...who, verdict: "refused", reason: outcome.reason } };
  }
  const notes = [...decision.notes, ...(outcome.kind === "updated" ? outcome.notes : [])];
  const report = { ...who, verdict: outcome.kind, ...(notes.length > 0 ? { notes } : {}) };
  if (outcome.kind === "imported") return { report, added: { row, digests: outcome.digests } };
  if (outcome.kind === "unchanged" || present.byId === null) return { report };
  return { report, changed: { present: present.byId, update: outcome.update } };
}

async function carryOut(db: D1Database, plans: readonly Plan[], now: NumericDate): Promise<RowReport[]> {
  const added = plans.flatMap((plan) => plan.added ?? []);
  const changed = plans.flatMap((plan) => plan.changed ?? []);
  const written = await writeUsers(db, { added, changed }, now);
  return plans.map(({ report, ...plan }) => {
    const isPlanned = plan.added !== undefined || plan.changed !== undefined;
    if (!isPlanned || written.has(report.pk)) return report;
    return { pk: report.pk, username: report.username, verdict: "refused", reason: CHANGED_MEANWHILE };
  });
}

/** `decideUser` that refuses an id or a name which an earlier record of the file had. */
function decideOnce(): (user: DjangoUser) => UserDecision {
  const ids = new Set<number>();
  const idOfUsername = new Map<string, number>();
  return (user) => {
    const { pk, fields } = user;
    const other = idOfUsername.get(fields.username);
    if (ids.has(pk)) return { kind: "refused", reason: "the file has this id twice" };
    ids.add(pk);
    if (other !== undefined)
      return { kind: "refused", reason: `the file has this user name twice: also ${other}` };
    idOfUsername.set(fields.username, pk);
    return decideUser(user);
  };
}

async function* batchesOf(users: AsyncIterable<DjangoUser>): AsyncGenerator<DjangoUser[]> {
  let batch: DjangoUser[] = [];
  let length = 0;
  for await (const user of users) {
    const more = JSON.stringify(user).length;
    if (batch.length === BATCH_USERS_MAX || (length + more > BATCH_LENGTH_MAX && batch.length > 0)) {
      yield batch;
      batch = [];
      length = 0;
    }
    batch.push(user);
    length += more;
  }
  if (batch.length > 0) yield batch;
}
