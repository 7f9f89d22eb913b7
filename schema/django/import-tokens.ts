/** Brings simplejwt's outstanding tokens into D1, and which of them are blacklisted: a denial is never taken back. */
import { asUserId } from "../ids.ts";
import type { NumericDate } from "../time.ts";
import type { ImportDatabase, Statement } from "./database.ts";
import type { ImportOptions } from "./import-users.ts";
import { inBatches, type Plan, type RowReport } from "./in-batches.ts";
import { parseMoment, ZONELESS } from "./moment.ts";
import { BLACKLIST_TABLE, type DjangoToken, TOKEN_TABLE } from "./tables.ts";

/** Where the blacklist of the export is looked up. */
export type Blacklist = {
  /** The entry that names the token with this key in Django, or null. */
  readonly findBlacklisting: (token: number) => number | null;
  readonly unfoundBlacklistings: () => readonly { readonly pk: number }[];
};

/** A row of `django_tokens`. */
type ImportedToken = {
  readonly jti: string;
  /** Informs; nothing is decided by it. */
  readonly user_id: number | null;
  readonly username: string | null;
  readonly expires_at: NumericDate;
  readonly blacklisted: 0 | 1;
};
type Listed = { readonly token: DjangoToken; readonly blacklisting: number | null };

const JTI_LENGTH_MAX = 255;

/** Yields one report for each token and for each entry of the blacklist. Throws what source or database throws. */
export async function* importTokens(
  tokens: AsyncIterable<DjangoToken>,
  { db, dryRun, now }: ImportOptions,
  blacklist: Blacklist,
): AsyncGenerator<RowReport> {
  const entryOf = new Map<number, number>();
  const plan = async (batch: readonly Listed[]) => {
    const decided = batch.map((one) => ({ ...one, decision: decideToken(one, now) }));
    const rows = decided.flatMap(({ decision }) => (typeof decision === "string" ? [] : [decision.row]));
    const present = db === null ? new Map<string, number>() : await findPresent(db, rows);
    return decided.map(({ token: { pk }, decision }): Plan<ImportedToken> => {
      const who = { table: TOKEN_TABLE, pk };
      if (typeof decision === "string") return { report: { ...who, verdict: "refused", reason: decision } };
      const { row, notes } = decision;
      const before = present.get(row.jti);
      const report = { ...who, ...(notes.length > 0 ? { notes } : {}) };
      if (before !== undefined && before >= row.blacklisted)
        return { report: { ...report, verdict: "unchanged" } };
      return { report: { ...report, verdict: before === undefined ? "imported" : "updated" }, write: row };
    });
  };
  const write = async (db: ImportDatabase, rows: readonly ImportedToken[]) => {
    await db.batch([writeStatement(rows)]);
    return () => true;
  };
  async function* listed(): AsyncGenerator<Listed> {
    for await (const token of tokens) {
      const blacklisting = blacklist.findBlacklisting(token.pk);
      if (blacklisting !== null) entryOf.set(token.pk, blacklisting);
      yield { token, blacklisting };
    }
  }
  const reports = inBatches(
    listed(),
    plan,
    db === null || dryRun ? null : (rows: readonly ImportedToken[]) => write(db, rows),
  );
  for await (const report of reports) {
    yield report;
    const entry = entryOf.get(report.pk ?? 0);
    if (entry === undefined) continue;
    entryOf.delete(report.pk ?? 0);
    yield { ...report, table: BLACKLIST_TABLE, pk: entry };
  }
  for (const { pk } of blacklist.unfoundBlacklistings()) {
    const reason = "the export has no token of this number; export both tables";
    yield { table: BLACKLIST_TABLE, pk, verdict: "refused", reason };
  }
}

function decideToken(
  { token, blacklisting }: Listed,
  now: NumericDate,
): { row: ImportedToken; notes: readonly string[] } | string {
  const { jti, expires_at, user } = token.fields;
  const expires = parseMoment(expires_at);
  if (jti === "" || jti.length > JTI_LENGTH_MAX || !jti.isWellFormed() || jti.includes("\0")) {
    return "the jti is not one that can be kept";
  }
  if (expires === null) return "expires_at is not a date with a time";
  if (expires.at <= now) return "expired";
  const row: ImportedToken = {
    jti,
    user_id: typeof user === "number" ? asUserId(user) : null,
    username: typeof user === "string" ? user : null,
    expires_at: expires.at,
    blacklisted: blacklisting === null ? 0 : 1,
  };
  return { row, notes: expires.hasZone ? [] : [ZONELESS] };
}

/** Of each `jti` that is here, whether it is blacklisted. */
async function findPresent(
  db: ImportDatabase,
  rows: readonly ImportedToken[],
): Promise<ReadonlyMap<string, number>> {
  const [found = []] = await db.batch<Pick<ImportedToken, "jti" | "blacklisted">>([
    {
      sql: "SELECT jti, blacklisted FROM django_tokens WHERE jti IN (SELECT value FROM json_each(?1))",
      params: [JSON.stringify(rows.map(({ jti }) => jti))],
    },
  ]);
  return new Map(found.map(({ jti, blacklisted }) => [jti, blacklisted]));
}

function writeStatement(rows: readonly ImportedToken[]): Statement {
  return {
    sql: `INSERT INTO django_tokens (jti, user_id, expires_at, blacklisted)
          SELECT value ->> 'jti',
            coalesce(value ->> 'user_id', (SELECT id FROM users WHERE username = value ->> 'username')),
            value ->> 'expires_at', value ->> 'blacklisted'
          FROM json_each(?1) WHERE true
          ON CONFLICT (jti) DO UPDATE SET blacklisted = max(blacklisted, excluded.blacklisted)`,
    params: [JSON.stringify(rows)],
  };
}
