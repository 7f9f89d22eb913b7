/** Brings users of Django into D1, a batch at a time: what is here already decides what becomes of each. */
import type { NumericDate } from "../time.ts";
import type { ImportDatabase } from "./database.ts";
import { decideImport, type Present } from "./decide-import.ts";
import { inBatches, type Plan, type RowReport } from "./in-batches.ts";
import type { Rights } from "./roles.ts";
import { type DjangoUser, USER_TABLE } from "./tables.ts";
import { findPresent, type UserWrite, writeUsers } from "./user-tables.ts";
import { decideUser, type UserDecision } from "./users.ts";

export type ImportOptions = {
  /** Migrated. Null is a database that does not exist yet: then only a dry run makes sense. */
  readonly db: ImportDatabase | null;
  readonly dryRun: boolean;
  readonly now: NumericDate;
};

/** What is known of a user from elsewhere in the export. */
export type UserContext = {
  readonly rightsOf: (user: DjangoUser) => Rights;
  /** Asked once for each user, in their order: why an earlier one excludes this one, or null. */
  readonly see: (user: DjangoUser) => string | null;
};

const NOTHING_PRESENT: Present = { byId: null, idOfUsername: null, isDeleted: false };

type Decided = { readonly user: DjangoUser; readonly decision: UserDecision };

/**
 * Yields one report for each user, once it is written; a dry run gives the same reports and writes nothing. Throws
 * what the source or the database throws: everything reported before is written then, and a repetition goes on
 * from there.
 */
export function importUsers(
  users: AsyncIterable<DjangoUser>,
  { db, dryRun, now }: ImportOptions,
  context: UserContext,
): AsyncGenerator<RowReport> {
  const plan = async (batch: readonly Decided[]) => {
    const rows = batch.flatMap(({ decision }) => (decision.kind === "row" ? [decision.row] : []));
    const presentOf = db === null ? () => NOTHING_PRESENT : await findPresent(db, rows);
    return batch.map((one) => planOf(one, presentOf));
  };
  const write = async (db: ImportDatabase, writes: readonly UserWrite[]) => {
    const written = await writeUsers(db, writes, now);
    return ({ row }: UserWrite) => written.has(row.id);
  };
  return inBatches(
    decidedOf(users, context),
    plan,
    db === null || dryRun ? null : (writes: readonly UserWrite[]) => write(db, writes),
  );
}

async function* decidedOf(users: AsyncIterable<DjangoUser>, context: UserContext): AsyncGenerator<Decided> {
  for await (const user of users) {
    const reason = context.see(user);
    const decision: UserDecision =
      reason === null ? decideUser(user, context.rightsOf(user)) : { kind: "refused", reason };
    yield { user, decision };
  }
}

function planOf(
  { user, decision }: Decided,
  presentOf: Awaited<ReturnType<typeof findPresent>>,
): Plan<UserWrite> {
  const who = { table: USER_TABLE, pk: user.pk, username: user.fields.username };
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
  if (outcome.kind === "imported") return { report, write: { kind: "add", row, digests: outcome.digests } };
  if (outcome.kind === "unchanged" || present.byId === null) return { report };
  return { report, write: { kind: "change", row, present: present.byId, update: outcome.update } };
}
