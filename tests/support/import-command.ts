/** The import as a user runs it: a process of its own, on a state folder. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const ROOT = join(import.meta.dirname, "../..");
export const VECTORS = join(ROOT, "tests/vectors/django");

export type Finished = { code: number | null; stdout: string; stderr: string };
export type Running = { child: ChildProcess; finished: Promise<Finished> };

/** Starts it; relative paths in `args` are under `cwd`. */
export function startImport(args: readonly string[], cwd: string, env: Record<string, string> = {}): Running {
  return start("import.cli.ts", args, cwd, env);
}

/** Starts the way back in the same way. */
export function startExport(args: readonly string[], cwd: string, env: Record<string, string> = {}): Running {
  return start("export.cli.ts", args, cwd, env);
}

function start(script: string, args: readonly string[], cwd: string, env: Record<string, string>): Running {
  const child = spawn(process.execPath, [join(ROOT, "schema/django", script), ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => (stdout += chunk));
  child.stderr?.on("data", (chunk) => (stderr += chunk));
  const finished = new Promise<Finished>((resolve) =>
    child.once("close", (code) => resolve({ code, stdout, stderr })),
  );
  return { child, finished };
}

/** The database of a state folder, for as long as `use` takes. */
export function inLocalDatabase<Value>(persistTo: string, use: (db: DatabaseSync) => Value): Value {
  const under = join(persistTo, "v3/d1/miniflare-D1DatabaseObject");
  const [name] = readdirSync(under).filter((one) => /^[0-9a-f]{64}\.sqlite$/.test(one));
  using db = new DatabaseSync(join(under, name ?? ""), { timeout: 5_000 });
  return use(db);
}

const IMPORTED = ["users", "profiles", "imported_users", "django_sessions", "django_tokens", "user_changes"];

/** Every row that an import may write, but for when it did. */
export function importedRows(db: DatabaseSync): Record<string, unknown[]> {
  return Object.fromEntries(
    IMPORTED.map((table) => {
      const rows = db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all();
      return [table, rows.map(({ updated_at: _, ...row }) => row)];
    }),
  );
}
