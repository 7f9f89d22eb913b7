/** `--remote`, against a stand-in of Cloudflare's API: see there what that does and does not show. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unstable_readConfig } from "wrangler";
import { databaseSettings } from "../../../schema/django/wrangler-database.cli.ts";
import { ROOT } from "../../../scripts/wrangler.ts";
import { type FakeApi, type Fault, startFakeApi } from "../../support/fake-d1-api.ts";
import {
  importedRows,
  inLocalDatabase,
  startExport,
  startImport,
  VECTORS,
} from "../../support/import-command.ts";

const TOKEN = "a-token-of-the-api";
const folder = mkdtempSync(join(tmpdir(), "session-authority-remote-"));
let local: ReturnType<typeof importedRows>;
const apis: FakeApi[] = [];

beforeAll(async () => {
  const { code } = await startImport(["pg_dump.sql", "--local", "--persist-to", folder], VECTORS).finished;
  expect(code).toBe(0);
  local = inLocalDatabase(folder, importedRows);
});
afterAll(() => {
  for (const api of apis) api.close();
  rmSync(folder, { recursive: true, force: true });
});

async function api(isMigrated = true): Promise<FakeApi> {
  const started = await startFakeApi(TOKEN, isMigrated);
  apis.push(started);
  return started;
}
const run = (to: FakeApi, args: string[] = [], env: Record<string, string> = {}) =>
  startImport(["pg_dump.sql", "--remote", "--env", "staging", ...args], VECTORS, {
    CLOUDFLARE_API_BASE_URL: to.url,
    CLOUDFLARE_API_TOKEN: TOKEN,
    ...env,
  }).finished;

describe("the way back", () => {
  const back = async (name: string, args: string[], env: Record<string, string> = {}) => {
    const file = join(folder, name);
    const { code, stdout, stderr } = await startExport([file, ...args], folder, env).finished;
    expect(code, stderr).toBe(0);
    return { text: readFileSync(file, "utf8"), said: JSON.parse(stdout) };
  };

  test("from a deployed database is that from a local one, page by page, and names who was deleted here", async () => {
    const to = await api();
    await run(to);
    const env = { CLOUDFLARE_API_BASE_URL: to.url, CLOUDFLARE_API_TOKEN: TOKEN };
    const here = await back("here.json", ["--local", "--persist-to", folder]);
    to.faults.push(null, null, "down");
    const remote = await back("there.json", ["--remote", "--env", "staging"], env);
    expect(remote.text).toBe(here.text);
    expect(remote.said).toMatchObject({ users: 28, deleted: [] });
    to.db.exec("DELETE FROM users WHERE id IN (101, 103)");
    const file = join(folder, "after.json");
    const { stdout } = await startExport([file, "--remote", "--env", "staging"], folder, env).finished;
    expect(JSON.parse(stdout)).toEqual({ file, users: 26, deleted: [101, 103] });
  });

  test("is not written over a file, and says how it is called", async () => {
    const { code, stderr } = await startExport(["x.json", "--remote"], folder).finished;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^export:django: say which: --env [^\n]*\n$/)]);
    const again = startExport(["after.json", "--local", "--persist-to", folder], folder);
    expect((await again.finished).code).toBe(1);
  });
});

describe("a remote import", () => {
  test("leaves the same rows as a local one, and a repetition changes nothing", async () => {
    const to = await api();
    const first = await run(to);
    expect(first.code, first.stderr).toBe(0);
    expect(importedRows(to.db)).toEqual(local);
    const { stdout } = await run(to, [], { CLOUDFLARE_ACCOUNT_ID: "acc" });
    expect(JSON.parse(stdout).tables.auth_user).toMatchObject({ imported: 0, unchanged: 28 });
    expect(importedRows(to.db)).toEqual(local);
    expect(to.largest()).toBeGreaterThan(1_000);
  });

  test("as a dry run writes nothing", async () => {
    const to = await api();
    const { stdout } = await run(to, ["--dry-run"]);
    expect(JSON.parse(stdout).tables).toMatchObject({
      auth_user: { imported: 28 },
      django_session: { imported: 13 },
    });
    expect(to.db.prepare("SELECT count(*) AS n FROM users").get()?.n).toBe(0);
  });

  test.for<[string, (Fault | null)[]]>([
    ["a limit of the API and an outage", ["busy", null, "down", null, null, "down"]],
    ["an answer lost after the users were written", [null, null, null, "lost"]],
    [
      "answers lost at every second query",
      Array.from({ length: 16 }, (_, n) => (n % 2 === 1 ? "lost" : null)),
    ],
  ])("gets over %s, and reports what it did", async ([, faults]) => {
    const to = await api();
    to.faults.push(...faults);
    const { code, stdout, stderr } = await run(to);
    expect(code, stderr).toBe(0);
    expect(importedRows(to.db)).toEqual(local);
    expect(JSON.parse(stdout).tables).toMatchObject({
      auth_user: { imported: 28, unchanged: 0, refused: 0 },
      django_session: { imported: 13, unchanged: 0 },
      token_blacklist_outstandingtoken: { imported: 11, unchanged: 0 },
    });
  });
});

describe("ends with 1 and one line where the database", () => {
  test.for<[string, Record<string, string>, boolean, string]>([
    ["is not to be reached without a token", { CLOUDFLARE_API_TOKEN: "" }, true, "set CLOUDFLARE_API_TOKEN"],
    ["does not take the token", { CLOUDFLARE_API_TOKEN: "other" }, true, "refuses: Authentication error"],
    ["has no tables", {}, false, "d1 migrations apply DB --remote --env staging"],
    ["is of another account", { CLOUDFLARE_ACCOUNT_ID: "else" }, true, "refuses: no such route"],
  ])("%s", async ([, env, isMigrated, message]) => {
    const to = await api(isMigrated);
    const { code, stdout, stderr } = await run(to, [], env);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^import:django: [^\n]*\n$/);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain(TOKEN);
  });

  test("refuses a statement: nothing is tried twice", async () => {
    const to = await api();
    to.faults.push(null, null, null, "wrong");
    const { code, stderr } = await run(to);
    expect(code).toBe(1);
    expect(stderr).toContain("UNIQUE constraint failed");
    expect(to.faults).toEqual([]);
    expect(to.db.prepare("SELECT count(*) AS n FROM users").get()?.n).toBe(0);
  });
});

test.for(["", "staging", "production"])("wrangler.toml is read as wrangler reads it: %j", (env) => {
  const { d1_databases } = unstable_readConfig({ config: join(ROOT, "wrangler.toml"), env });
  const [database] = d1_databases;
  const expected = { name: database?.database_name, id: database?.database_id ?? null };
  expect(databaseSettings(env)).toEqual(expected);
});
