/** Everything of an export that comes along, in the one order that works: groups, users, then what is theirs. */
import { asUserId } from "../ids.ts";
import type { ImportDatabase } from "./database.ts";
import { importSessions } from "./import-sessions.ts";
import { importTokens } from "./import-tokens.ts";
import { type ImportOptions, importUsers } from "./import-users.ts";
import type { RowReport } from "./in-batches.ts";
import { persistently } from "./persistently.ts";
import { type DjangoRecord, SourceError } from "./record.ts";
import { decideRole, isGrantedByGroup } from "./roles.ts";
import type { Group, Stage } from "./stage.ts";
import {
  BLACKLIST_TABLE,
  entriesOf,
  GROUP_TABLE,
  type Misfit,
  SESSION_TABLE,
  TABLES,
  type Table,
  TOKEN_TABLE,
  USER_TABLE,
  usersOf,
} from "./tables.ts";
import { reserveIds } from "./user-tables.ts";

/** How many records a table has that get a verdict. */
export type Counts = Record<(typeof JUDGED)[number], number>;
/** Yields the export's records from their beginning, each time it is called. */
export type Source = () => AsyncIterable<DjangoRecord>;

/**
 * What the report is about, in its order, after what could not be read. Memberships and permissions are told with their
 * users, or refused where there is no such user.
 */
export const JUDGED = [GROUP_TABLE, USER_TABLE, SESSION_TABLE, TOKEN_TABLE, BLACKLIST_TABLE] as const;

/**
 * Reads the whole export once, so that one which cannot be read to its end changes nothing, and keeps in `stage` what
 * must be known before the first user. `tell` is called for each record. Throws `SourceError`, also if there is no user.
 */
export async function survey(source: Source, stage: Stage, tell: () => void): Promise<Counts> {
  const counts = Object.fromEntries(JUDGED.map((table) => [table, 0])) as Counts;
  const count = ({ table: read }: { readonly table: Table }) => {
    const judged = JUDGED.find((table) => table === read);
    if (judged !== undefined) counts[judged] += 1;
    tell();
  };
  const misfit = (one: Misfit) => {
    stage.refuse(one);
    count(one);
  };
  for await (const entry of entriesOf(source(), TABLES, misfit)) {
    stage.keep(entry);
    count(entry);
  }
  if (counts[USER_TABLE] > 0) return counts;
  const hint = "a user model of the project's own has another table; name the file with the users, too";
  throw new SourceError(`the export has no row of ${USER_TABLE} (${hint})`);
}

/**
 * Yields a report for each record that was counted, once it is written. Throws what the source or the database throws:
 * what was reported is written then, and a repetition goes on from there.
 */
export async function* takeOver(
  source: Source,
  stage: Stage,
  counts: Counts,
  options: ImportOptions,
): AsyncGenerator<RowReport> {
  const roles = options.db === null ? new Set<string>() : await rolesOf(options.db);
  for (const misfit of stage.misfits()) yield { ...misfit, verdict: "refused" };
  for (const group of stage.groups()) yield groupReport(group, roles);
  const { db, dryRun } = options;
  if (db !== null && !dryRun && asUserId(stage.highestId) !== null) {
    await persistently(() => reserveIds(db, stage.highestId));
  }
  const users = importUsers(usersOf(source(), reported), options, {
    see: (user) => stage.see(user),
    rightsOf: (user) => decideRole(user, stage.membershipOf(user), roles),
  });
  for await (const report of users) {
    if (report.verdict !== "refused" && report.pk !== undefined) stage.takeIn(report.pk);
    yield report;
  }
  const reason = "the export has no user of this id that could be read";
  for (const stranger of stage.strangers()) yield { ...stranger, verdict: "refused", reason };
  if (counts[SESSION_TABLE] > 0) {
    const isHere = (id: number) => stage.isHere(id);
    yield* importSessions(entriesOf(source(), [SESSION_TABLE], reported), options, isHere);
  }
  if (counts[TOKEN_TABLE] + counts[BLACKLIST_TABLE] > 0) {
    yield* importTokens(entriesOf(source(), [TOKEN_TABLE], reported), options, stage);
  }
}

/** A misfit of the survey has its verdict. */
function reported(): void {}

async function rolesOf(db: ImportDatabase): Promise<ReadonlySet<string>> {
  const statement = { sql: "SELECT name FROM roles", params: [] };
  const [rows = []] = await persistently(() => db.batch<{ name: string }>([statement]));
  return new Set(rows.map(({ name }) => name));
}

function groupReport({ pk, name }: Group, roles: ReadonlySet<string>): RowReport {
  const who = { table: GROUP_TABLE, ...(pk === null ? {} : { pk }), name };
  if (isGrantedByGroup(name, roles)) {
    return { ...who, verdict: "unchanged", notes: ["its members get the role of this name"] };
  }
  const reason = roles.has(name)
    ? "no group makes anybody an admin or an ordinary user"
    : "there is no role of this name here (PUT /api/admin/roles/{role} makes one)";
  return { ...who, verdict: "refused", reason };
}
