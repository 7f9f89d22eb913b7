/** Reads the tables of a SQLite file as Django writes it. */
import { DatabaseSync } from "node:sqlite";
import { type DjangoRecord, recordOf, SourceError } from "./record.ts";

const NAIVE = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?$/;

/** Yields every row of those of the tables that are there. Throws `SourceError`. */
export function* readSqlite(path: string, tables: readonly string[]): Generator<DjangoRecord> {
  let at = "the file";
  try {
    using db = new DatabaseSync(path, { readOnly: true });
    for (const table of tables) {
      at = `table ${table}`;
      const columns = db
        .prepare("SELECT name, lower(type) AS type FROM pragma_table_info(?)")
        .all(table)
        .map(({ name, type }) => ({ name: String(name), type: String(type) }));
      const names = columns.map(({ name }) => name);
      if (names.length === 0) continue;
      let row = 0;
      for (const found of db.prepare(`SELECT * FROM "${table}"`).iterate()) {
        row += 1;
        at = `table ${table}, row ${row}`;
        // Django keeps UTC in there, and no zone.
        const values = columns.map(({ name, type }) => {
          const value = found[name];
          return type === "datetime" && typeof value === "string" && NAIVE.test(value) ? `${value}Z` : value;
        });
        yield recordOf(table, names, values, at);
      }
    }
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || !String(error.code).startsWith("ERR_"))
      throw error;
    throw new SourceError(`${at}: ${error.message}`);
  }
}
