/** Brings the sessions of Django into D1, so that the service can exchange them. Their users are here already. */
import type { ImportDatabase, Statement } from "./database.ts";
import type { ImportOptions } from "./import-users.ts";
import { inBatches, type Plan, type RowReport } from "./in-batches.ts";
import { decideSession, type ImportedSession } from "./sessions.ts";
import { type DjangoSession, SESSION_TABLE } from "./tables.ts";

type Present = {
  readonly sessions: ReadonlyMap<string, ImportedSession>;
  /** Users who were imported. */
  readonly users: ReadonlySet<number>;
};

const NOTHING: Present = { sessions: new Map(), users: new Set() };

/**
 * Yields one report for each session, once it is written. `isHere` knows the users of this import; it is what a dry
 * run goes by. Throws what the source or the database throws.
 */
export function importSessions(
  sessions: AsyncIterable<DjangoSession>,
  { db, dryRun, now }: ImportOptions,
  isHere: (userId: number) => boolean,
): AsyncGenerator<RowReport> {
  const plan = async (batch: readonly DjangoSession[]) => {
    const decided = batch.map((session) => ({ session, decision: decideSession(session, now) }));
    const rows = decided.flatMap(({ decision }) => (decision.kind === "row" ? [decision.row] : []));
    const present = db === null ? NOTHING : await findPresent(db, rows);
    return decided.map(({ session: { place }, decision }): Plan<ImportedSession> => {
      const who = { table: SESSION_TABLE, place };
      if (decision.kind === "refused")
        return { report: { ...who, verdict: "refused", reason: decision.reason } };
      const { row, notes } = decision;
      if (!present.users.has(row.user_id) && !isHere(row.user_id)) {
        return { report: { ...who, verdict: "refused", reason: "its user was not imported" } };
      }
      const verdict = verdictOn(row, present.sessions.get(row.digest));
      const report = { ...who, verdict, ...(notes.length > 0 ? { notes } : {}) };
      return verdict === "unchanged" ? { report } : { report, write: row };
    });
  };
  const write = async (db: ImportDatabase, rows: readonly ImportedSession[]) => {
    const [written = []] = await db.batch<{ digest: string }>([writeStatement(rows)]);
    const digests = new Set(written.map(({ digest }) => digest));
    return ({ digest }: ImportedSession) => digests.has(digest);
  };
  return inBatches(
    sessions,
    plan,
    db === null || dryRun ? null : (rows: readonly ImportedSession[]) => write(db, rows),
  );
}

function verdictOn(
  row: ImportedSession,
  present: ImportedSession | undefined,
): "imported" | "updated" | "unchanged" {
  if (present === undefined) return "imported";
  const { user_id, session_data, expires_at } = present;
  const isSame =
    user_id === row.user_id && session_data === row.session_data && expires_at === row.expires_at;
  return isSame ? "unchanged" : "updated";
}

async function findPresent(db: ImportDatabase, rows: readonly ImportedSession[]): Promise<Present> {
  const [sessions = [], users = []] = await db.batch<ImportedSession>([
    {
      sql: `SELECT digest, user_id, session_data, expires_at FROM django_sessions
            WHERE digest IN (SELECT value FROM json_each(?1))`,
      params: [JSON.stringify(rows.map(({ digest }) => digest))],
    },
    {
      sql: `SELECT user_id FROM imported_users JOIN users ON users.id = user_id
            WHERE user_id IN (SELECT value FROM json_each(?1))`,
      params: [JSON.stringify(rows.map(({ user_id }) => user_id))],
    },
  ]);
  return {
    sessions: new Map(sessions.map((row) => [row.digest, row])),
    users: new Set(users.map(({ user_id }) => user_id)),
  };
}

/** A session that was exchanged stays so, whatever Django has changed in it since. */
function writeStatement(rows: readonly ImportedSession[]): Statement {
  return {
    sql: `INSERT INTO django_sessions (digest, user_id, session_data, expires_at)
          SELECT value ->> 'digest', users.id, value ->> 'session_data', value ->> 'expires_at'
          FROM json_each(?1) JOIN users ON users.id = value ->> 'user_id'
            JOIN imported_users ON imported_users.user_id = users.id
          WHERE true
          ON CONFLICT (digest) DO UPDATE SET user_id = excluded.user_id, session_data = excluded.session_data,
            expires_at = excluded.expires_at
          RETURNING digest`,
    params: [JSON.stringify(rows)],
  };
}
