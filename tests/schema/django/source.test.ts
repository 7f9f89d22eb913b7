import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, test } from "vitest";
import { SourceError } from "../../../schema/django/record.ts";
import { type Format, recogniseFormat, recordsOf } from "../../../schema/django/source.ts";
import { type DjangoUser, entriesOf, usersOf } from "../../../schema/django/tables.ts";
import { decideAlone } from "../../support/django.ts";

const VECTORS = join(import.meta.dirname, "../../vectors/django");
const folder = mkdtempSync(join(tmpdir(), "session-authority-source-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(file: string, format: Format | null = null): Promise<DjangoUser[]> {
  return Array.fromAsync(usersOf(recordsOf([file], format)));
}
async function written(text: string | Uint8Array, format: Format | null = null): Promise<DjangoUser[]> {
  const file = join(folder, "export");
  writeFileSync(file, text);
  return read(file, format);
}
const complaint = (text: string | Uint8Array): Promise<string> =>
  written(text).then(
    () => "",
    (error: unknown) => (error instanceof SourceError ? error.message : String(error)),
  );

describe("one table of Django, in every format that it is exported in", () => {
  test.for(["auth_user.csv", "auth_user.tf.csv", "pg_dump.sql", "pg_dump.inserts.sql", "db.sqlite3"])(
    "%s becomes the same rows as dumpdata",
    async (name) => {
      const rows = async (file: string) =>
        (await read(join(VECTORS, file))).map(decideAlone).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
      const idOf = (one: ReturnType<typeof decideAlone>) => (one.kind === "row" ? one.row.id : 0);
      const found = await rows(name);
      expect(found).toHaveLength(28);
      expect(found).toEqual(await rows("dumpdata.json"));
    },
  );
});

const HEADER =
  "id,password,last_login,is_superuser,username,first_name,last_name,email,is_staff,is_active,date_joined";
const ROW = "7,p$1,,f,ada,,,,f,t,2025-01-01 00:00:00+00";
const COLUMNS = HEADER.replaceAll(",", ", ");
const copy = (row: string) => `COPY public.auth_user (${COLUMNS}) FROM stdin;\n${row}\n\\.\n`;
const TABBED = ROW.replaceAll(",", "\t").replace("\t\t", "\t\\N\t");

describe("values", () => {
  test("COPY: the manual's escapes, and none where there are none", async () => {
    const odd = TABBED.replace("ada", String.raw`a\tb\\N\x41\101\n\q`);
    const [user] = await written(`--\n${copy(odd)}`);
    expect(user?.fields.username).toBe("a\tb\\NAA\nq");
    expect(user?.fields.last_login).toBeNull();
  });

  test("INSERT: quotes, several rows, what only looks like the end, columns of CREATE TABLE", async () => {
    const row = (id: number, name: string) =>
      `(${id}, 'p;$1', NULL, false, ${name}, '', '--', '', false, true, '2025-01-01 00:00:00+00')`;
    const create = `CREATE TABLE public.auth_user (\n${HEADER.split(",")
      .map((name) => `    ${name} text NOT NULL`)
      .join(",\n")}\n);\n`;
    const insert = `INSERT INTO public.auth_user VALUES\n\t${row(7, "'it''s;\n(x)'")},\n\t${row(8, "E'a\\\\b'")};\n`;
    const users = await written(create + insert);
    expect(users.map(({ fields }) => fields.username)).toEqual(["it's;\n(x)", "a\\b"]);
  });

  test("what a function's body holds is no row", async () => {
    const body = `CREATE FUNCTION f() RETURNS void AS $_$\n${copy(TABBED)}$_$;\n`;
    expect(await written(body + copy(TABBED))).toHaveLength(1);
  });
});

describe("what is valid is read", () => {
  test("INSERT with --on-conflict-do-nothing", async () => {
    const values = "7, 'p$1', NULL, false, 'ada', '', '', '', false, true, '2025-01-01 00:00:00+00'";
    const insert = `INSERT INTO public.auth_user (${COLUMNS}) VALUES (${values}) ON CONFLICT DO NOTHING;\n`;
    expect(await written(insert + insert)).toHaveLength(2);
  });

  test.for(['"my app".auth_user', '"my (app)"."auth_user"', '"a.b".auth_user'])(
    "a schema called %s",
    async (name) => {
      const named = (text: string) => text.replace("public.auth_user", name);
      expect(await written(named(copy(TABBED)))).toHaveLength(1);
      const insert = `INSERT INTO public.auth_user VALUES (${"'1', ".repeat(10)}'2025-01-01 00:00:00+00');\n`;
      const create = `CREATE TABLE public.auth_user (\n${HEADER.split(",")
        .map((column) => `    ${column} text`)
        .join(",\n")}\n);\n`;
      expect(await written(named(create) + named(insert))).toHaveLength(1);
    },
  );

  test("CSV in which somebody is called like SQL", async () => {
    for (const line of ["-- x", "SET x", "COPY me"]) {
      const names = [...HEADER.split(",").filter((name) => name !== "last_name"), "last_name"];
      const row = `7,p$1,,f,ada,,,f,t,2025-01-01 00:00:00+00,"x\n${line}"`;
      const [user] = await written(`${names.join()}\n${row}\n`);
      expect(user?.fields.last_name).toBe(`x\n${line}`);
    }
  });

  test("a whole dump of pg_dump, and several in one file", async () => {
    const dump = `--\n-- PostgreSQL database dump\n--\n\n${copy(TABBED)}\n--\n-- PostgreSQL database dump complete\n--\n`;
    expect(await written(dump + dump)).toHaveLength(2);
  });
});

describe("a file that is not as it should be is refused, with the place", () => {
  test.for<[string, string | Uint8Array, string]>([
    ["CSV, a field too few", `${HEADER}\n${ROW}\n7,x\n`, "line 3: not as many fields"],
    ["CSV, an open quote", `${HEADER}\n7,"p`, "a quote that is not closed"],
    [
      "CSV, no such column",
      `${HEADER.replace(",is_staff", "")}\n${ROW.replace(",f,t,", ",t,")}\n`,
      'line 2, pk "7": fields.is_staff',
    ],
    ["CSV of another table", "a,b\n1,2\n", "line 1: these are no columns"],
    [
      "CSV, Latin-1",
      Buffer.from(`${HEADER}\n${ROW.replace("ada", "J\u00fcrgen")}\n`, "latin1"),
      "line 2 is not UTF-8",
    ],
    ["a dump, a field too few", copy("7\tx"), "line 2: not as many fields"],
    ["a dump cut off", copy(TABBED).slice(0, -3), "the file ends inside of the table auth_user"],
    [
      "a dump cut off between statements",
      `--\n-- PostgreSQL database dump\n--\n\n${copy(TABBED)}`,
      'it does not end with "-- PostgreSQL database dump complete"',
    ],
    [
      "a dump cut off before another one",
      `-- PostgreSQL database dump\n${copy(TABBED)}-- PostgreSQL database dump\n`,
      "line 5: the dump before it was cut off",
    ],
    ["CSV cut off in its last field", `${HEADER}\n${ROW.slice(0, -5)}`, "the last line has no end"],
    [
      "a dump in another encoding",
      `SET client_encoding = 'LATIN1';\n${copy(TABBED)}`,
      "line 1: the dump is in LATIN1",
    ],
    [
      "an INSERT without columns",
      `INSERT INTO public.auth_user VALUES (1);\n`,
      "line 1: columns without names",
    ],
    ["a SQLite file cut off", readFileSync(join(VECTORS, "db.sqlite3")).subarray(0, 30_000), "malformed"],
    ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x5b, 0), "UTF-16"],
    ["compressed", Uint8Array.of(0x1f, 0x8b, 8), "compressed"],
    ["pg_dump's own format", "PGDMP...", "--format plain"],
    ["something else", "hello", "line 1: neither JSON of dumpdata, CSV"],
    ["nothing", "", "the file is empty"],
  ])("%s", async ([, text, message]) => {
    const said = await complaint(text);
    expect(said).toContain(message);
    expect(said).not.toContain("p$1");
  });

  test("a session that lacks a column: file and line, and not the key, which is a credential", async () => {
    const file = join(folder, "sessions.csv");
    writeFileSync(file, "session_key,session_data\nk3y0f5e551on,d4t4\n");
    const sessions = Array.fromAsync(entriesOf(recordsOf([file], null), ["django_session"]));
    const message = await sessions.catch((error: Error) => error.message);
    expect(message).toMatch(/sessions\.csv: line 2: fields\.expire_date: /);
    expect(message).not.toMatch(/k3y|d4t4/);
  });

  test("a format can be named where the content does not tell it", async () => {
    expect(recogniseFormat(new TextEncoder().encode(`${HEADER}\n`))).toBe("csv");
    expect(await written(`"id","Password"\n`, "dumpdata").catch((error: Error) => error.message)).toContain(
      "not a JSON array",
    );
  });
});

describe("a SQLite file", () => {
  function edited(sql: string): Promise<string> {
    const file = join(folder, "db.sqlite3");
    copyFileSync(join(VECTORS, "db.sqlite3"), file);
    using db = new DatabaseSync(file);
    db.exec(sql);
    return read(file).then(
      () => "",
      (error: Error) => error.message,
    );
  }

  test("with text that is not UTF-8 is refused, by table and id", async () => {
    expect(await edited("UPDATE auth_user SET last_name = CAST(x'4afc72' AS TEXT) WHERE id = 103")).toMatch(
      /table auth_user, row \d+, id 103: last_name is not UTF-8$/,
    );
  });

  test("with a value that would fill the memory is refused, and the value never read", async () => {
    const large = "UPDATE auth_user SET first_name = CAST(zeroblob(200000000) AS TEXT) WHERE id = 103";
    expect(await edited(large)).toMatch(/id 103: first_name is longer than 16777216 bytes$/);
  });

  test("in another encoding is refused", async () => {
    const file = join(folder, "utf16.sqlite3");
    using db = new DatabaseSync(file);
    db.exec("PRAGMA encoding = 'UTF-16le'; CREATE TABLE auth_user (id INTEGER PRIMARY KEY)");
    await expect(read(file)).rejects.toThrow("the file is in UTF-16le, not UTF-8");
  });
});

describe("a value that its column cannot have is its row's fault alone, in every format", () => {
  const odd: [string, Format][] = [
    [
      `${HEADER}\n${ROW}\n${ROW.replace("7", "9007199254740993")}\n${ROW.replace(",f,ada", ",maybe,ada")}\n`,
      "csv",
    ],
    [
      copy(
        [TABBED, TABBED.replace("7", "9007199254740993"), TABBED.replace("\tf\t", "\tmaybe\t")].join("\n"),
      ),
      "pg_dump",
    ],
  ];
  test.for(odd)("%#", async ([text, format]) => {
    const file = join(folder, "odd");
    writeFileSync(file, text);
    const misfits: string[] = [];
    const users = await Array.fromAsync(
      usersOf(recordsOf([file], format), ({ reason }) => misfits.push(reason)),
    );
    expect(users).toHaveLength(1);
    expect(misfits).toEqual([
      expect.stringMatching(/^pk: /),
      expect.stringMatching(/^fields\.is_superuser: /),
    ]);
  });

  test("a number that nobody can have is a number", async () => {
    const [user] = await written(`${HEADER}\n${ROW.replace("7", "-1")}\n`);
    expect(user?.pk).toBe(-1);
  });
});
