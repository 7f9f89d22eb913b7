/** The command, as a process of its own, on a state folder of its own. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, test } from "vitest";
import { type Finished, inLocalDatabase, startImport, VECTORS } from "../../support/import-command.ts";
import { startServer } from "../../support/server.ts";

const DUMP = join(VECTORS, "dumpdata.json");
const folder = mkdtempSync(join(tmpdir(), "session-authority-import-"));
const state = join(folder, "state");
const report = join(folder, "report.jsonl");
const changedDump = join(folder, "changed.json");
const emptyFolder = mkdtempSync(join(folder, "empty-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]): Promise<Finished> => startImport(args, folder).finished;

type Row = {
  table: string;
  pk: number;
  username: string;
  verdict: string;
  reason?: string;
  notes?: string[];
};

async function imported(file: string, ...args: string[]) {
  const finished = await run(file, "--local", "--persist-to", state, "--report", report, ...args);
  expect(finished, finished.stderr).toMatchObject({ code: 0 });
  const lines = readFileSync(report, "utf8").trim().split("\n");
  const rows = lines.map((line): Row => JSON.parse(line));
  const { tables, ...more } = JSON.parse(finished.stdout);
  const users = rows.filter(({ table }) => table === "auth_user");
  return {
    summary: { ...more, ...tables.auth_user },
    tables,
    rows,
    byPk: new Map(users.map((row) => [row.pk, row])),
  };
}

const withDatabase = <Value>(use: (db: DatabaseSync) => Value): Value => inLocalDatabase(state, use);

const tables = () =>
  withDatabase((db) =>
    ["users", "profiles", "imported_users"].map((table) => db.prepare(`SELECT * FROM ${table}`).all()),
  );
const userOf = (id: number) =>
  withDatabase((db) => ({ ...db.prepare("SELECT * FROM users WHERE id = ?").get(id) }));

describe("the first import", () => {
  test("as a dry run gives every verdict and makes nothing", async () => {
    const { summary } = await imported(DUMP, "--dry-run");
    expect(summary).toMatchObject({ dry_run: true, imported: 28, refused: 0 });
    expect(existsSync(state)).toBe(false);
  });

  test("takes every user over, and reports each in the order of the file", async () => {
    const { summary, byPk } = await imported(DUMP);
    expect(summary).toMatchObject({ imported: 28, updated: 0, unchanged: 0, refused: 0 });
    expect(byPk.size).toBe(28);
    expect(byPk.get(101)).toEqual({
      table: "auth_user",
      pk: 101,
      username: "marsh-4190",
      verdict: "imported",
    });
    expect(byPk.get(40_129)?.notes).toEqual([expect.stringContaining("needs a reset")]);
    expect(userOf(40_118)).toMatchObject({
      username: "grove7318",
      role: "user",
      created_at: 1_751_963_555,
      last_login: 1_751_349_599,
      version: 1,
    });
    expect(userOf(111)).toMatchObject({ email: null, email_key: null });
    const [users, profiles] = tables();
    expect([users?.length, profiles?.length]).toEqual([28, 27]);
  });

  test("leaves a report that only its owner may read", () => {
    expect(statSync(report).mode & 0o777).toBe(0o600);
    expect(readFileSync(report, "utf8")).not.toMatch(/pbkdf2|argon2\$/);
  });
});

test("MIG-01: a second import, also of natural foreign keys, finds all unchanged and writes nothing", async () => {
  const before = tables();
  const { summary } = await imported(join(VECTORS, "dumpdata-natural-foreign.json"));
  expect(summary).toMatchObject({ imported: 0, updated: 0, unchanged: 28, refused: 0 });
  expect(tables()).toEqual(before);
});

describe("after changes on both sides", () => {
  test("new ids go on above the imported ones", () => {
    withDatabase((db) => {
      db.exec(`INSERT INTO users (username, username_key, password_hash, created_at)
        VALUES ('made-here', 'made-here', 'argon2$here', 1)`);
    });
    expect(userOf(2_147_483_540)).toMatchObject({ username: "made-here" });
  });

  test("a dry run tells what the import then does", async () => {
    withDatabase((db) => {
      db.exec(
        `UPDATE users SET password_hash = 'argon2$renewed', last_login = 1800000000 WHERE id IN (101, 105)`,
      );
      db.exec("UPDATE users SET email = 'here@x.example', email_key = 'here@x.example' WHERE id = 103");
      db.exec("UPDATE users SET email_verified = 1 WHERE id IN (102, 106)");
      db.exec("DELETE FROM users WHERE id = 110");
    });
    writeChangedDump();
    const before = tables();
    const dry = await imported(changedDump, "--dry-run");
    expect(tables()).toEqual(before);
    const { summary, byPk } = await imported(changedDump);
    expect(byPk).toEqual(dry.byPk);
    expect(summary).toMatchObject({ imported: 1, updated: 5, unchanged: 20, refused: 7 });

    const reasonOf = (pk: number) => byPk.get(pk)?.reason;
    expect(reasonOf(103)).toBe("changed in Django and here since it was imported");
    expect(reasonOf(105)).toContain("password changed in Django, but also changed here");
    expect(reasonOf(110)).toBe("deleted here since it was imported");
    expect(reasonOf(300)).toBe("the user name belongs to account 2147483540 here");
    expect(reasonOf(2_147_483_540)).toBe("the id belongs to an account with another name here");
    expect(reasonOf(302)).toBe("the user name is empty");
    expect(reasonOf(304)).toBe("the file has this user name twice: also 303");
  });

  test("what Django changed is here, with a version that grew by one", () => {
    expect(userOf(101)).toMatchObject({ is_active: 0, version: 2, password_hash: "argon2$renewed" });
    expect(userOf(101)).toMatchObject({ last_login: 1_800_000_000 });
    expect(userOf(104)).toMatchObject({ username: "renamed", username_key: "renamed", version: 2 });
    expect(userOf(102)).toMatchObject({ email: "new@x.example", email_verified: 0, version: 2 });
    expect(userOf(106)).toMatchObject({ email: "delta-8695@dev.example", email_verified: 1, role: "admin" });
    expect(userOf(107)).toMatchObject({ password_hash: "pbkdf2_sha256$1$new$hash", version: 2 });
    const names = withDatabase((db) => db.prepare("SELECT * FROM profiles WHERE user_id = 106").get());
    expect(names).toMatchObject({ first_name: "Del", last_name: "" });
  });

  test("word is left of a changed role, activity and name, and that a changed password ends sessions", () => {
    const sql = "SELECT user_id, version, ends_sessions FROM user_changes ORDER BY user_id";
    expect(withDatabase((db) => db.prepare(sql).all()).map((row) => ({ ...row }))).toEqual([
      { user_id: 101, version: 2, ends_sessions: 0 },
      { user_id: 104, version: 2, ends_sessions: 0 },
      { user_id: 106, version: 2, ends_sessions: 0 },
      { user_id: 107, version: 2, ends_sessions: 1 },
    ]);
  });

  test("what was changed here stays", () => {
    expect(userOf(103)).toMatchObject({ email: "here@x.example", version: 1 });
    expect(userOf(105)).toMatchObject({ password_hash: "argon2$renewed", version: 1 });
    expect(userOf(110)).toEqual({});
    expect(userOf(2_147_483_540)).toMatchObject({ username: "made-here", password_hash: "argon2$here" });
  });

  test("of a deleted user nothing is kept but the id", () => {
    const sql = "SELECT * FROM imported_users WHERE user_id = 110";
    const kept = {
      user_id: 110,
      source_digest: "",
      account_digest: "",
      password_digest: "",
      renewed_digest: null,
      signed_in_at: null,
    };
    expect({ ...withDatabase((db) => db.prepare(sql).get()) }).toEqual(kept);
  });

  test("a repetition writes nothing and refuses the same", async () => {
    const before = tables();
    const { summary } = await imported(changedDump);
    expect(summary).toMatchObject({ imported: 0, updated: 0, unchanged: 26, refused: 7 });
    expect(tables()).toEqual(before);
  });
});

describe("a file or a command line that is wrong", () => {
  const nowhere = join(folder, "nowhere");
  const broken = join(folder, "broken.json");

  test("a broken file ends with 1, one line that says where, and nothing written", async () => {
    writeFileSync(broken, readFileSync(DUMP, "utf8").slice(0, -3_000));
    const { code, stdout, stderr } = await run(broken, "--local", "--persist-to", nowhere);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /^import:django: .*broken\.json: the file ends inside record \d+ \(line \d+, byte .*\n$/,
    );
    expect(existsSync(nowhere)).toBe(false);
  });

  test.for(["[]", '[{"model":"accounts.user","pk":7,"fields":{"username":"ada"}}]'])(
    "an export without users (%s) ends with 1, one line that says so, and nothing written",
    async (text) => {
      writeFileSync(broken, text);
      const { code, stdout, stderr } = await run(broken, "--local", "--persist-to", nowhere);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^import:django: the export has no row of auth_user \([^\n]*\)\n$/);
      expect(existsSync(nowhere)).toBe(false);
    },
  );

  test.for<[string[], string]>([
    [[], "name a file"],
    [[DUMP, "--local", "--format", "xml"], "--format is one of dumpdata, csv"],
    [[DUMP], "say --local"],
    [[DUMP, "--local", "--remote"], "say --local, or --remote"],
    [[DUMP, "--local", "--env", "staging"], "--env goes with --remote"],
    [["missing.json", "--local"], "there is no file missing.json"],
    [[emptyFolder, "--local"], "name a file"],
    [[DUMP, "--local", "--report", DUMP], "the report would overwrite the export"],
    [[DUMP, "--local", "--report", join(folder, "no/such/folder")], "cannot write the report"],
  ])("%j ends with 2 and one line", async ([args, message]) => {
    const { code, stdout, stderr } = await run(...args, "--persist-to", nowhere);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^import:django: [^\n]*\n$/);
    expect(stderr).toContain(message);
    expect(existsSync(nowhere)).toBe(false);
  });
});

test("the service on the same folder signs the users in, and an import beside it works", async () => {
  const server = await startServer(state);
  try {
    const login = await fetch(`${server.base}/api/accounts/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username: "cedar.8084", password: "pa$$w0rd$953\u{1f991}" }),
    });
    expect(login.status).toBe(200);
    expect(userOf(40_119).password_hash).toMatch(/^argon2\$/);
    const { summary } = await imported(changedDump);
    expect(summary).toMatchObject({ updated: 0, unchanged: 26, refused: 7 });
  } finally {
    await server.kill("SIGTERM");
  }
});

/** The 28 users with changes, and five more of which one can be here. */
function writeChangedDump(): void {
  type DumpRecord = { model: string; pk: number; fields: Record<string, unknown> };
  const dump: DumpRecord[] = JSON.parse(readFileSync(DUMP, "utf8"));
  const users = dump.filter(({ model }) => model === "auth.user");
  const change = (pk: number, changes: Record<string, unknown>) => {
    Object.assign(users.find((user) => user.pk === pk)?.fields ?? {}, changes);
  };
  change(101, { is_active: false });
  change(102, { email: "new@x.example" });
  change(103, { email: "there@x.example" });
  change(104, { username: "renamed" });
  change(105, { password: "pbkdf2_sha256$1$new$hash" });
  change(106, { first_name: "Del", is_superuser: true });
  change(107, { password: "pbkdf2_sha256$1$new$hash" });
  const add = (pk: number, username: string) => {
    users.push({ model: "auth.user", pk, fields: { ...users[0]?.fields, username } });
  };
  add(300, "made-here");
  add(302, "");
  add(303, "new-in-django");
  add(304, "new-in-django");
  add(2_147_483_540, "another");
  writeFileSync(changedDump, JSON.stringify(users));
}
