/**
 * The D1 database of a local state folder, as the SQLite file that it is: no runtime is started, so that an import
 * stays small and can be killed at any moment. The service may have the file open as well; SQLite's locks keep the
 * two apart, and whoever comes second waits here, but in the service gets a 503.
 */
import { createHash, createHmac } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ROOT } from "../../scripts/wrangler.ts";
import type { ImportDatabase, Statement } from "./database.ts";
import { BINDING, databaseSettings } from "./wrangler-database.cli.ts";

export type LocalDatabase = ImportDatabase & { readonly close: () => void };

const MIGRATIONS = "schema/migrations";
/** How long to wait for a lock that the service holds, in milliseconds. */
const LOCK_TIMEOUT_MS = 10_000;
/** As miniflare calls the object that a database is, which its files are named by. */
const D1_OBJECT = "miniflare-D1DatabaseObject";
/** As wrangler writes down what it has applied. */
const APPLIED = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** Brings the folder's database up to date as `wrangler d1 migrations apply` does, and makes it if there is none: then true. */
export function migrateLocal(persistTo: string): boolean {
  const file = fileOf(persistTo);
  const isNew = !existsSync(file);
  mkdirSync(dirname(file), { recursive: true });
  using db = new DatabaseSync(file, { timeout: LOCK_TIMEOUT_MS });
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(APPLIED);
  const names = readdirSync(join(ROOT, MIGRATIONS)).filter((name) => name.endsWith(".sql"));
  for (const name of names.sort()) {
    inTransaction(db, () => {
      if (db.prepare("SELECT 1 FROM d1_migrations WHERE name = ?").get(name) !== undefined) return;
      db.exec(readFileSync(join(ROOT, MIGRATIONS, name), "utf8"));
      db.prepare("INSERT INTO d1_migrations (name) VALUES (?)").run(name);
    });
  }
  return isNew;
}

/** Opens the database of the folder `persistTo`, which must be there. */
export function openLocal(persistTo: string, { readOnly = false } = {}): LocalDatabase {
  const db = new DatabaseSync(fileOf(persistTo), { timeout: LOCK_TIMEOUT_MS, readOnly });
  const prepared = new Map<string, StatementSync>();
  const run = ({ sql, params }: Statement) => {
    const statement = prepared.get(sql) ?? db.prepare(sql);
    prepared.set(sql, statement);
    return statement.all(...params);
  };
  return {
    async batch<Row>(statements: readonly Statement[]) {
      return inTransaction(db, () => statements.map(run), readOnly) as Row[][];
    },
    close: () => db.close(),
  };
}

/**
 * Opens the folder's database as it is, for reading; null if there is none yet, or only an empty one. Throws if it
 * is from before the last of the import's own tables: only a migration can bring that.
 */
export async function openLocalAsIs(persistTo: string): Promise<LocalDatabase | null> {
  if (!existsSync(fileOf(persistTo))) return null;
  const database = openLocal(persistTo, { readOnly: true });
  const sql = "SELECT name FROM sqlite_master WHERE name IN ('users', 'django_sessions')";
  const [tables] = await database.batch([{ sql, params: [] }]);
  if (tables?.length === 2) return database;
  database.close();
  if (tables?.length === 0) return null;
  throw new Error("the database is of an earlier version; start the service on it once, which migrates it");
}

/** As miniflare derives the id of the object from its name, and the file's name from that. */
function fileOf(persistTo: string): string {
  const name = databaseSettings("")?.id ?? BINDING;
  const key = createHash("sha256").update(D1_OBJECT).digest();
  const half = (data: string | Buffer) => createHmac("sha256", key).update(data).digest().subarray(0, 16);
  const nameHalf = half(name);
  const id = Buffer.concat([nameHalf, half(nameHalf)]).toString("hex");
  return join(persistTo, "v3/d1", D1_OBJECT, `${id}.sqlite`);
}

function inTransaction<Value>(db: DatabaseSync, use: () => Value, readOnly = false): Value {
  try {
    db.exec(readOnly ? "BEGIN" : "BEGIN IMMEDIATE");
    const value = use();
    db.exec("COMMIT");
    return value;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    if (!(error instanceof Error) || !/database is locked/.test(error.message)) throw error;
    throw new Error(
      "the database is in use all the time; stop the service on this folder, and run this once more",
    );
  }
}
