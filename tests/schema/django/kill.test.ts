/** An import that is killed at any moment and started again leaves what one clean run leaves. */
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { afterAll, expect, test } from "vitest";
import { Prng } from "../../simulation/prng.ts";
import { importedRows, inLocalDatabase, startImport } from "../../support/import-command.ts";
import { pause } from "../../support/server.ts";
import { dumpdata } from "./large-export.ts";

const KILLS = 10;
/** More are only needed where a run was quicker than it was to be killed. */
const STARTS_MAX = 40;
const EXPORT = { users: 2_500, sessions: 500, tokens: 500 };
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

const folder = mkdtempSync(join(tmpdir(), "session-authority-kill-"));
const file = join(folder, "export.json");
const report = join(folder, "report.jsonl");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start = (state: string) =>
  startImport([file, "--local", "--persist-to", join(folder, state), "--report", report], folder);
const reported = () => statSync(report, { throwIfNoEntry: false })?.size ?? 0;
const within = <Value>(state: string, use: (db: DatabaseSync) => Value) =>
  inLocalDatabase(join(folder, state), use);
const everything = (db: DatabaseSync) => ({
  ...importedRows(db),
  ids: db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'users'").all(),
  check: db.prepare("PRAGMA integrity_check").all(),
  migrations: db.prepare("SELECT name FROM d1_migrations ORDER BY id").all(),
});

/** How many users there are; none while there is no table. */
function usersIn(state: string): number {
  try {
    return within(state, (db) => Number(db.prepare("SELECT count(*) AS n FROM users").get()?.n));
  } catch {
    return 0;
  }
}

test(`ten SIGKILLs, each at another moment (SEED=${SEED}), and a last run: as one clean run`, async () => {
  const output = openSync(file, "wx");
  for (const text of dumpdata(EXPORT)) writeSync(output, text);
  closeSync(output);

  const began = performance.now();
  const clean = await start("clean").finished;
  expect(clean.code, clean.stderr).toBe(0);
  const wholeMs = performance.now() - began;

  const wholeReport = reported();

  const prng = new Prng(SEED);
  const seen: number[] = [];
  for (let starts = 0; seen.length < KILLS && starts < STARTS_MAX; starts += 1) {
    rmSync(report);
    const { child, finished } = start("killed");
    if (starts % 2 === 1) await pause(wholeMs * 0.8 * prng.next());
    else {
      // The first one is hit among the users, for the others that is left to chance.
      const wanted = wholeReport * (starts === 0 ? 0.02 + 0.25 * prng.next() : 0.9 * prng.next());
      while (reported() < wanted && child.exitCode === null) await pause(3);
      await pause(20 * prng.next());
    }
    child.kill("SIGKILL");
    const { code } = await finished;
    if (code === null) seen.push(usersIn("killed"));
    closeSync(openSync(report, "a"));
  }
  expect(seen).toHaveLength(KILLS);
  // Some were hit in the middle of it, else this would show nothing.
  expect(
    seen.some((users) => users > 0 && users < EXPORT.users),
    seen.join(),
  ).toBe(true);

  const last = await start("killed").finished;
  expect(last.code, last.stderr).toBe(0);
  expect(within("killed", everything)).toEqual(within("clean", everything));
  expect(usersIn("killed")).toBe(EXPORT.users);
});
