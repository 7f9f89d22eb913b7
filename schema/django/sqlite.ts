/** Reads the tables of a SQLite file as Django writes it. */
import { DatabaseSync } from "node:sqlite";
import { type DjangoRecord, recordOf, SourceError } from "./record.ts";

const NAIVE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?$/;
/** Of one value. Without it one that somebody made large would fill the memory. */
const VALUE_BYTES_MAX = 16 * 1024 * 1024;

type Column = { readonly name: string; readonly isTime: boolean };

/** Yields every row of those of the tables that are there. Throws `SourceError`. */
export function* readSqlite(path: string, tables: readonly string[]): Generator<DjangoRecord> {
  let at = "the file";
  try {
    using db = new DatabaseSync(path, { readOnly: true });
    const encoding = db.prepare("PRAGMA encoding").get()?.encoding;
    if (encoding !== "UTF-8") throw new SourceError(`the file is in ${String(encoding)}, not UTF-8`);
    for (const table of tables) {
      at = `table ${table}`;
      const columns = db
        .prepare("SELECT name, lower(type) AS type FROM pragma_table_info(?)")
        .all(table)
        .map(({ name, type }): Column => ({ name: String(name), isTime: type === "datetime" }));
      if (columns.length === 0) continue;
      const names = columns.map(({ name }) => name);
      const rows = db.prepare(`SELECT ${columns.map(selected).join()} FROM "${table}"`);
      rows.setReadBigInts(true);
      let row = 0;
      for (const found of rows.iterate()) {
        row += 1;
        at = `table ${table}, row ${row}${typeof found.id === "bigint" ? `, id ${found.id}` : ""}`;
        const values = columns.map((column) => contentOf(column, found[column.name], at));
        yield recordOf(table, names, values, at);
      }
    }
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || !String(error.code).startsWith("ERR_"))
      throw error;
    throw new SourceError(`${at}: ${error.message}`);
  }
}

/** Text comes as its bytes, since SQLite keeps any and would not say which are no text; what is too long, as infinity. */
function selected({ name }: Column): string {
  const column = `"${name.replaceAll('"', '""')}"`;
  return `CASE WHEN octet_length(${column}) > ${VALUE_BYTES_MAX} THEN 1e999
    WHEN typeof(${column}) = 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END AS ${column}`;
}

function contentOf({ name, isTime }: Column, value: unknown, at: string): unknown {
  if (value === Number.POSITIVE_INFINITY)
    throw new SourceError(`${at}: ${name} is longer than ${VALUE_BYTES_MAX} bytes`);
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (!(value instanceof Uint8Array)) return value;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new SourceError(`${at}: ${name} is not UTF-8`);
  }
  // Django keeps UTC in there, and no zone.
  return isTime && NAIVE.test(text) ? `${text}Z` : text;
}
