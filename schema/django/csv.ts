/**
 * Reads CSV as PostgreSQL's `COPY … TO … WITH (FORMAT csv, HEADER)` writes it (manual, "COPY", CSV Format): an empty
 * field is NULL unless it is quoted. Which table it is, its columns say.
 */
import { Readable } from "node:stream";
import { CsvError, type InfoRecord, parse } from "csv-parse";
import { linesOf } from "./lines.ts";
import { type DjangoRecord, recordOf, SourceError } from "./record.ts";
import { USER_TABLE } from "./tables.ts";

/** Code units. Without it a quote that is never closed would read the whole file into memory. */
const RECORD_LENGTH_MAX = 16 * 1024 * 1024;

/** A column that no other of the tables has. */
const TELLING: readonly (readonly [string, string])[] = [
  ["password", USER_TABLE],
  ["session_key", "django_session"],
  ["jti", "token_blacklist_outstandingtoken"],
  ["blacklisted_at", "token_blacklist_blacklistedtoken"],
  ["codename", "auth_permission"],
];

/** Yields every row of a table that can be told. Throws `SourceError`, also for a header of no table of Django. */
export async function* readCsv(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DjangoRecord> {
  const end = { hasNewline: false };
  const text = Readable.from(textOf(chunks, end));
  const rows = text.pipe(
    parse({
      info: true,
      cast: (value, { quoting }) => (value === "" && !quoting ? null : value),
      max_record_size: RECORD_LENGTH_MAX,
    }),
  );
  // A pipe passes no error on.
  text.once("error", (error) => rows.destroy(error));
  const source = rows[Symbol.asyncIterator]();
  const header = await next(source);
  if (header === null) throw new SourceError("the file is empty");
  const columns = header.record.map(String);
  const table = tableOf(columns);
  for (let row = await next(source); row !== null; row = await next(source)) {
    yield recordOf(table, columns, row.record, `line ${row.info.lines}`);
  }
  if (!end.hasNewline)
    throw new SourceError("the last line has no end: the file may have been cut off in it");
}

type Row = { record: unknown[]; info: InfoRecord };

async function next(source: AsyncIterator<Row>): Promise<Row | null> {
  try {
    const { done, value } = await source.next();
    return done === true ? null : value;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // Its own message may quote the text.
    throw new SourceError(`line ${String(error.lines)}: ${complaint(error.code)}`);
  }
}

function complaint(code: string): string {
  if (code === "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH") return "not as many fields as there are columns";
  if (code === "CSV_QUOTE_NOT_CLOSED") return "a quote that is not closed";
  return "not CSV: a quote where none may be, or a record without an end";
}

function tableOf(columns: readonly string[]): string {
  const told = TELLING.find(([column]) => columns.includes(column));
  if (told !== undefined) return told[1];
  const sorted = [...columns].sort().join();
  if (sorted === "id,name") return "auth_group";
  if (columns.includes("group_id") && columns.includes("permission_id")) return "auth_group_permissions";
  if (columns.includes("group_id")) return `${USER_TABLE}_groups`;
  if (columns.includes("permission_id")) return `${USER_TABLE}_user_permissions`;
  throw new SourceError("line 1: these are no columns of a table of Django that is read");
}

async function* textOf(
  chunks: AsyncIterable<Uint8Array>,
  end: { hasNewline: boolean },
): AsyncGenerator<string> {
  for await (const { text } of linesOf(chunks)) {
    end.hasNewline = text.endsWith("\n");
    yield text;
  }
}
