/**
 * Reads what `pg_dump` writes as plain text: rows as `COPY … FROM stdin`, or as `INSERT` with its columns named
 * (`--column-inserts`) or not (`--inserts`, where `CREATE TABLE` has them). Everything else is passed over.
 */
import { linesOf } from "./lines.ts";
import { type DjangoRecord, recordOf, SourceError } from "./record.ts";
import { bareName, copyFields, NAME, Statement, valueTuples } from "./sql-text.ts";

/** Code units. A statement of `--rows-per-insert` is held whole. */
const STATEMENT_LENGTH_MAX = 16 * 1024 * 1024;
const LIST = String.raw`(?:\(([^)]*)\))?`;
const COPY = new RegExp(String.raw`^COPY (${NAME})\s*${LIST} FROM stdin;`);
const INSERT = new RegExp(
  String.raw`^INSERT INTO (?:ONLY )?(${NAME})\s*${LIST}\s*(?:OVERRIDING \w+ VALUE )?\s*VALUES\s*`,
);
const CREATE = new RegExp(
  String.raw`^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(${NAME})\s*\(\n([\s\S]*)\)`,
);
/** How `pg_dump` begins and ends its text, and `pg_dumpall` the whole of several. */
const MARK = /^-- (PostgreSQL database (?:cluster )?dump)( complete)?\s*$/;
const ENCODING = /^SET client_encoding = '([^']*)'/;
const COLUMN = /^\s+("[^"]+"|[a-z_][\w$]*)\s/;

/** Yields every row of `tables`. Throws `SourceError`, also when the dump ends inside of something. */
export async function* readPgDump(
  chunks: AsyncIterable<Uint8Array>,
  tables: readonly string[],
): AsyncGenerator<DjangoRecord> {
  const columnsOf = new Map<string, string[]>();
  let copying: { table: string; columns: string[]; isRead: boolean } | null = null;
  let statement: { follow: Statement; text: string; line: number } | null = null;
  const begun = new Set<string>();
  for await (const { text, number } of linesOf(chunks)) {
    const place = `line ${number}`;
    if (copying !== null) {
      const row = text.replace(/\r?\n$/, "");
      if (row === "\\.") copying = null;
      else if (copying.isRead) {
        const values = copyFields(row);
        if (values.length !== copying.columns.length) {
          throw new SourceError(`${place}: not as many fields as there are columns`);
        }
        yield recordOf(copying.table, copying.columns, values, place);
      }
      continue;
    }
    if (statement === null) {
      const [, mark, complete] = MARK.exec(text) ?? [];
      if (mark !== undefined && complete !== undefined) begun.delete(mark);
      else if (mark !== undefined && begun.has(mark)) throw new SourceError(unfinished(place, mark));
      else if (mark !== undefined) begun.add(mark);
      // Between statements: empty lines, comments, and psql's own commands.
      if (/^\s*(?:--.*)?\s*$/.test(text) || text.startsWith("\\")) continue;
      statement = { follow: new Statement(), text: "", line: number };
    }
    statement.text += text;
    if (statement.text.length > STATEMENT_LENGTH_MAX) {
      throw new SourceError(
        `line ${statement.line}: a statement of more than ${STATEMENT_LENGTH_MAX} characters`,
      );
    }
    if (!statement.follow.ends(text)) continue;
    const { text: whole, line } = statement;
    statement = null;
    copying = beginsCopy(whole, tables, columnsOf, `line ${line}`);
    if (copying === null) yield* inserted(whole, tables, columnsOf, `line ${line}`);
    noteOther(whole, columnsOf, `line ${line}`);
  }
  if (copying !== null) throw new SourceError(`the file ends inside of the table ${copying.table}`);
  if (statement !== null)
    throw new SourceError(`the file ends inside of the statement of line ${statement.line}`);
  for (const mark of begun) throw new SourceError(unfinished("the end of the file", mark));
}

function unfinished(place: string, mark: string): string {
  return `${place}: the dump before it was cut off: it does not end with "-- ${mark} complete"`;
}

function noteOther(statement: string, columnsOf: Map<string, string[]>, place: string): void {
  const [, encoding] = ENCODING.exec(statement) ?? [];
  if (encoding !== undefined && !/^utf-?8$/i.test(encoding)) {
    throw new SourceError(`${place}: the dump is in ${encoding}; make it with --encoding UTF8`);
  }
  const [, table, body] = CREATE.exec(statement) ?? [];
  if (table === undefined || body === undefined) return;
  const columns = body.split("\n").flatMap((line) => COLUMN.exec(line)?.[1] ?? []);
  columnsOf.set(bareName(table), columns.map(bareName));
}

function beginsCopy(
  statement: string,
  tables: readonly string[],
  columnsOf: ReadonlyMap<string, string[]>,
  place: string,
): { table: string; columns: string[]; isRead: boolean } | null {
  const [match, name = "", list] = COPY.exec(statement) ?? [];
  if (match === undefined) return null;
  const table = bareName(name);
  const isRead = tables.includes(table);
  return { table, columns: isRead ? named(table, list, columnsOf, place) : [], isRead };
}

function* inserted(
  statement: string,
  tables: readonly string[],
  columnsOf: ReadonlyMap<string, string[]>,
  place: string,
): Generator<DjangoRecord> {
  const [match, name = "", list] = INSERT.exec(statement) ?? [];
  const table = bareName(name);
  if (match === undefined || !tables.includes(table)) return;
  const columns = named(table, list, columnsOf, place);
  const tuples = valueTuples(statement.slice(match.length));
  if (tuples === null) throw new SourceError(`${place}: values that are not plain literals`);
  for (const values of tuples) {
    if (values.length !== columns.length) {
      throw new SourceError(`${place}: not as many values as there are columns`);
    }
    yield recordOf(table, columns, values, place);
  }
}

function named(
  table: string,
  list: string | undefined,
  columnsOf: ReadonlyMap<string, string[]>,
  place: string,
): string[] {
  const columns = list?.split(",").map(bareName) ?? columnsOf.get(table);
  if (columns !== undefined) return columns;
  throw new SourceError(`${place}: columns without names; make the dump with --column-inserts`);
}
