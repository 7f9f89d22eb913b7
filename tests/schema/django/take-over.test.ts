/** Groups, sessions and tokens, by the command: from every format the same, and what became of each record. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readDumpdata } from "../../../schema/django/dumpdata.ts";
import { migrateLocal, openLocal } from "../../../schema/django/local-d1.cli.ts";
import { Stage } from "../../../schema/django/stage.ts";
import { survey, takeOver } from "../../../schema/django/take-over.ts";
import { importedRows, inLocalDatabase, startImport, VECTORS } from "../../support/import-command.ts";
import legacy from "../../vectors/django/legacy.json" with { type: "json" };
import { dumpdata as largeExport } from "./large-export.ts";

const folder = mkdtempSync(join(tmpdir(), "session-authority-take-over-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const IN_CSV = [
  ...["auth_group", "auth_user", "auth_user_groups", "auth_user_user_permissions", "django_session"],
  ...["token_blacklist_blacklistedtoken", "token_blacklist_outstandingtoken"],
].map((name) => `${name}.csv`);
const FORMATS: Record<string, string[]> = {
  dumpdata: ["dumpdata.json"],
  "dumpdata-natural-foreign": ["dumpdata-natural-foreign.json"],
  csv: IN_CSV,
  "pg_dump-copy": ["pg_dump.sql"],
  "pg_dump-inserts": ["pg_dump.inserts.sql"],
  sqlite: ["db.sqlite3"],
};

type Row = { table: string; pk?: number; place?: string; verdict: string; reason?: string; notes?: string[] };

/** Runs the import into the state folder of this name. */
async function take(state: string, files: string[], ...more: string[]) {
  const report = join(folder, `${state}.jsonl`);
  const where = ["--local", "--persist-to", join(folder, state), "--report", report];
  const { code, stdout, stderr } = await startImport([...files, ...where, ...more], VECTORS).finished;
  expect(code, stderr).toBe(0);
  const text = readFileSync(report, "utf8");
  const rows = text
    .trim()
    .split("\n")
    .map((line): Row => JSON.parse(line));
  return { said: text + stdout + stderr, tables: JSON.parse(stdout).tables, rows };
}
const within = <Value>(state: string, use: Parameters<typeof inLocalDatabase<Value>>[1]) =>
  inLocalDatabase(join(folder, state), use);
const reasons = (rows: Row[], table: string) =>
  rows.flatMap((row) => (row.table === table ? (row.reason ?? []) : [])).sort();

describe("sessions and tokens come along, from every format the same", () => {
  let fromDumpdata: ReturnType<typeof importedRows>;
  beforeAll(async () => {
    await take("first", FORMATS.dumpdata ?? []);
    fromDumpdata = within("first", importedRows);
  });

  test.for(Object.entries(FORMATS))("%s", async ([name, files]) => {
    const { said, tables, rows } = await take(name, files);
    expect(within(name, importedRows)).toEqual(fromDumpdata);
    expect(tables).toMatchObject({
      auth_user: { imported: 28, refused: 0 },
      django_session: { imported: 13, refused: 7 },
      token_blacklist_outstandingtoken: { imported: 11, refused: 2 },
      token_blacklist_blacklistedtoken: { imported: 2, refused: 1 },
    });
    expect(reasons(rows, "django_session")).toEqual([
      "expired",
      "expired",
      "its user was not imported",
      "nobody is signed in in it",
      "not a session as Django 3.1 and later sign it",
      "not a session as Django 3.1 and later sign it",
      "the user in it is no positive integer",
    ]);
    expect(reasons(rows, "token_blacklist_outstandingtoken")).toEqual(["expired", "expired"]);
    for (const { session_key, session_data } of legacy.sessions) {
      expect(said).not.toContain(session_key);
      expect(said).not.toContain(session_data.slice(0, 40));
    }
    expect(said).not.toMatch(/eyJ/);
  });

  test("the tables hold what the exchange looks for", () => {
    within("first", (db) => {
      const denied = db.prepare("SELECT jti FROM django_tokens WHERE blacklisted = 1 ORDER BY jti").all();
      const live = legacy.blacklisted.filter((jti) => !jti.startsWith("23ad"));
      expect(denied.map(({ jti }) => jti)).toEqual(live.sort());
      const kept = db.prepare("SELECT count(*) AS n FROM django_sessions WHERE exchanged_at IS NULL").get();
      expect(kept?.n).toBe(13);
    });
  });
});

describe("a second import", () => {
  const dump: { model: string; pk: unknown; fields: Record<string, unknown> }[] = JSON.parse(
    readFileSync(join(VECTORS, "dumpdata.json"), "utf8"),
  );
  const changed = join(folder, "changed.json");

  test("finds all unchanged, and writes nothing", async () => {
    const before = within("first", importedRows);
    const { tables } = await take("first", ["dumpdata.json"]);
    expect(tables.django_session).toMatchObject({ imported: 0, updated: 0, unchanged: 13 });
    expect(tables.token_blacklist_outstandingtoken).toMatchObject({ imported: 0, unchanged: 11 });
    expect(within("first", importedRows)).toEqual(before);
  });

  test("takes over a session that was prolonged, revives none, and denies what is blacklisted since", async () => {
    within("first", (db) => db.exec("UPDATE django_sessions SET exchanged_at = 7"));
    const session = dump.find(({ pk }) => pk === legacy.sessions[0]?.session_key);
    if (session !== undefined) session.fields.expire_date = "2037-01-01T00:00:00Z";
    dump.push({ model: "token_blacklist.blacklistedtoken", pk: 4, fields: { token: 1 } });
    dump.push({ model: "token_blacklist.blacklistedtoken", pk: 5, fields: { token: 999 } });
    writeFileSync(changed, JSON.stringify(dump));
    const { tables, rows } = await take("first", [changed]);
    expect(tables.django_session).toMatchObject({ updated: 1, unchanged: 12 });
    expect(tables.token_blacklist_outstandingtoken).toMatchObject({ updated: 1, unchanged: 10 });
    expect(reasons(rows, "token_blacklist_blacklistedtoken")).toEqual([
      "expired",
      expect.stringContaining("no token of this number"),
    ]);
    within("first", (db) => {
      const sessions = db.prepare(
        "SELECT max(expires_at) AS latest, min(exchanged_at) AS one FROM django_sessions",
      );
      expect({ ...sessions.get() }).toEqual({ latest: 2_114_380_800, one: 7 });
      expect(db.prepare("SELECT count(*) AS n FROM django_tokens WHERE blacklisted = 1").get()?.n).toBe(3);
    });
  });

  test("never takes a denial back", async () => {
    await take("first", ["dumpdata.json"]);
    expect(
      within(
        "first",
        (db) => db.prepare("SELECT count(*) AS n FROM django_tokens WHERE blacklisted = 1").get()?.n,
      ),
    ).toBe(3);
  });
});

test("who registers while it runs gets an id above all of them", async () => {
  const state = join(folder, "meanwhile");
  migrateLocal(state);
  const database = openLocal(state);
  using stage = new Stage();
  async function* source() {
    for (const record of largeExport({ users: 1_200, sessions: 0, tokens: 0 })) yield Buffer.from(record);
  }
  const records = () => readDumpdata(source());
  const counts = await survey(records, stage, () => undefined);
  const options = { db: database, dryRun: false, now: 1_800_000_000 };
  const verdicts: string[] = [];
  for await (const { table, verdict } of takeOver(records, stage, counts, options)) {
    if (table === "auth_user") verdicts.push(verdict);
    if (verdicts.length !== 1) continue;
    within("meanwhile", (db) =>
      db.exec(
        "INSERT INTO users (username, username_key, password_hash, created_at) VALUES ('eve', 'eve', '!', 1)",
      ),
    );
  }
  database.close();
  expect(new Set(verdicts)).toEqual(new Set(["imported"]));
  const highest = 1_000 + 1_199;
  expect(
    within("meanwhile", (db) => db.prepare("SELECT id FROM users WHERE username = 'eve'").get()?.id),
  ).toBe(highest + 1);
});

describe("groups", () => {
  const roleOf = (id: number) =>
    within("groups", (db) => db.prepare("SELECT role FROM users WHERE id = ?").get(id)?.role);
  const GROUPED = 40_118;
  const SUPERUSER = 40_122;

  test("that are no roles here give nothing, and are named", async () => {
    const { rows, tables } = await take("groups", ["dumpdata.json"]);
    expect(roleOf(GROUPED)).toBe("user");
    expect(tables.auth_group).toMatchObject({ unchanged: 0, refused: 3 });
    expect(rows.find(({ pk }) => pk === GROUPED)?.notes).toEqual([
      'in the group "editors", which is no role here',
      'in the group "beta", which is no role here',
      "permissions of its own in Django, not taken over",
      "staff, not superuser: becomes an ordinary user",
    ]);
  });

  test("a role made later is given by the next import, and the service is told", async () => {
    await take("later", ["dumpdata.json"]);
    within("later", (db) =>
      db.exec("INSERT INTO roles (name, permissions, updated_at) VALUES ('editors', '[]', 1)"),
    );
    const { tables } = await take("later", ["pg_dump.sql"]);
    expect(tables.auth_user).toMatchObject({ updated: 1, unchanged: 27 });
    within("later", (db) => {
      const roles = db
        .prepare("SELECT id, role FROM users WHERE id IN (?, ?) ORDER BY id")
        .all(GROUPED, SUPERUSER);
      expect(roles.map((row) => ({ ...row }))).toEqual([
        { id: GROUPED, role: "editors" },
        { id: SUPERUSER, role: "admin" },
      ]);
      expect(db.prepare("SELECT user_id FROM user_changes").all()).toHaveLength(1);
    });
  });
});

describe("every record gets a verdict", () => {
  const odd = join(folder, "odd.json");
  const [ada] = (
    JSON.parse(readFileSync(join(VECTORS, "dumpdata.json"), "utf8")) as {
      model: string;
      pk: unknown;
      fields: object;
    }[]
  ).filter(({ model }) => model === "auth.user");
  const user = (pk: number, username: string, more: object = {}) => ({
    model: "auth.user",
    pk,
    fields: { ...ada?.fields, username, ...more },
  });
  const HUGE = 2 ** 53 - 1;

  test("also one that nothing can be made of; and a table that is not there is named", async () => {
    const records = [
      { model: "auth.group", pk: 1, fields: { name: "editors" } },
      { model: "auth.group", pk: 1, fields: { name: "others" } },
      user(7, "ada"),
      user(-1, "nobody"),
      user(HUGE, "somebody"),
      user(8, "eve", { is_active: "perhaps" }),
      { model: "auth_user.groups", pk: 1, fields: { user_id: 9, group_id: 1 } },
      { model: "auth_user.user_permissions", pk: 1, fields: { user_id: 9, permission_id: 1 } },
      ...["a", "b"].map((jti, at) => ({
        model: "token_blacklist.outstandingtoken",
        pk: at,
        fields: { jti, expires_at: "2036-01-01T00:00:00Z", user: 7 },
      })),
      ...[1, 2].map((pk) => ({ model: "token_blacklist.blacklistedtoken", pk, fields: { token: 0 } })),
    ];
    writeFileSync(odd, JSON.stringify(records));
    const { rows } = await take("odd", [odd]);
    const shown = rows.map(({ table, verdict, reason }) => `${table} ${verdict} ${reason ?? ""}`.trim());
    expect(shown).toEqual([
      "django_session absent",
      "auth_group refused the file has this id twice",
      expect.stringMatching(/^auth_user refused fields.is_active: /),
      "token_blacklist_blacklistedtoken refused the file lists this token twice",
      expect.stringContaining("auth_group refused there is no role"),
      "auth_user imported",
      "auth_user refused the id is not a positive integer up to 2^52",
      "auth_user refused the id is not a positive integer up to 2^52",
      "auth_user_groups refused the export has no user of this id that could be read",
      "auth_user_user_permissions refused the export has no user of this id that could be read",
      "token_blacklist_outstandingtoken imported",
      "token_blacklist_blacklistedtoken imported",
      "token_blacklist_outstandingtoken imported",
    ]);
  });

  test("and a huge id takes none from those who register later", () => {
    within("odd", (db) => {
      db.exec(
        "INSERT INTO users (username, username_key, password_hash, created_at) VALUES ('x', 'x', '!', 1)",
      );
      expect(db.prepare("SELECT id FROM users WHERE username = 'x'").get()?.id).toBe(8);
    });
  });
});
