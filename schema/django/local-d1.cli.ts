/** The D1 database of a local state folder, from outside of a Worker: no account, no network, no prompt. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, runWrangler } from "../../scripts/wrangler.ts";
import { whileBusy } from "./while-busy.ts";

export type LocalDatabase = { readonly db: D1Database; readonly close: () => Promise<void> };

/** Brings the folder's database up to date, and makes it if there is none. Rejects with all that wrangler printed. */
export async function migrateLocal(persistTo: string): Promise<void> {
  const where = ["--local", "--persist-to", persistTo, "--env", ""];
  await whileBusy(() => runWrangler(["d1", "migrations", "apply", "DB", ...where]));
}

/** Opens the database of the folder `persistTo`, which a running service may have open as well. */
export async function openLocal(persistTo: string): Promise<LocalDatabase> {
  process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";
  process.env.WRANGLER_SEND_METRICS = "false";
  const { getPlatformProxy, unstable_readConfig } = await import("wrangler");
  // The whole configuration would start the objects too, and read the secrets. What names the
  // database is taken over, so that it is the one that the service uses.
  const { compatibility_date, d1_databases } = unstable_readConfig({ config: join(ROOT, "wrangler.toml") });
  const folder = mkdtempSync(join(tmpdir(), "session-authority-"));
  const configPath = join(folder, "wrangler.json");
  writeFileSync(configPath, JSON.stringify({ compatibility_date, d1_databases }));
  startGuard();
  const persist = { path: join(persistTo, "v3") };
  const proxy = await getPlatformProxy<{ DB: D1Database }>({ configPath, persist, envFiles: [] });
  rmSync(folder, { recursive: true, force: true });
  return { db: proxy.env.DB, close: proxy.dispose };
}

/**
 * Opens the folder's database as it is, for reading; null if there is none yet, or only an empty one. Throws if it
 * is from before the import's own table: only a migration can bring that.
 */
export async function openLocalAsIs(persistTo: string): Promise<LocalDatabase | null> {
  if (!existsSync(join(persistTo, "v3/d1"))) return null;
  const { db, close } = await openLocal(persistTo);
  const { results } = await db
    .prepare("SELECT name FROM sqlite_master WHERE name IN ('users', 'imported_users')")
    .all<{ name: string }>();
  if (results.length === 2) return { db, close };
  await close();
  if (results.length === 0) return null;
  throw new Error("the database is of an earlier version; start the service on it once, which migrates it");
}

/** Ends the runtime behind the database when this process is gone, also if it was killed. */
function startGuard(): void {
  const script = join(ROOT, "scripts/orphan-guard.ts");
  spawn(process.execPath, [script, String(process.pid)], { detached: true, stdio: "ignore" }).unref();
}
