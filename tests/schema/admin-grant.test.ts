/** The command, as a process of its own, on a state folder of its own. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, test } from "vitest";
import { grantStatements, isQuotable } from "../../schema/admin-grant.ts";
import { migrateLocal } from "../../schema/django/local-d1.cli.ts";

const ROOT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "session-authority-grant-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Finished = { code: number | null; output: string };

function run(...args: string[]): Promise<Finished> {
  const child = spawn(process.execPath, [join(ROOT, "schema/admin-grant.cli.ts"), ...args], { cwd: folder });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

function inDatabase<Value>(use: (db: DatabaseSync) => Value): Value {
  const under = join(folder, "v3/d1/miniflare-D1DatabaseObject");
  const [name] = readdirSync(under).filter((one) => /^[0-9a-f]{64}\.sqlite$/.test(one));
  const db = new DatabaseSync(join(under, name ?? ""));
  try {
    return use(db);
  } finally {
    db.close();
  }
}

describe("the statements", () => {
  test("a quote in a name ends nothing; what has a meaning of its own is no name", () => {
    const [first = ""] = grantStatements("o'hara'; DROP TABLE users; --", 1);
    expect(first).toContain("'o''hara''; DROP TABLE users; --'");
    for (const name of ["", "a\0b", "a\nb", "\uD800"]) expect(isQuotable(name)).toBe(false);
  });
});

describe("npm run admin:grant", () => {
  test("makes exactly this user an admin, once, and leaves word for the service", async () => {
    migrateLocal(folder);
    inDatabase((db) => {
      const insert = db.prepare(
        "INSERT INTO users (id, username, username_key, password_hash, created_at) VALUES (?, ?, ?, '!', 1)",
      );
      insert.run(1, "o'hara", "o'hara");
      insert.run(2, "O'hara", "o'hara");
    });
    const granted = await run("o'hara", "--persist-to", folder);
    expect(granted).toMatchObject({
      code: 0,
      output: expect.stringContaining("(id 1) is an admin now; was: user"),
    });
    const rows = () =>
      inDatabase((db) => db.prepare("SELECT id, role, version FROM users ORDER BY id").all());
    const after = [
      { id: 1, role: "admin", version: 2 },
      { id: 2, role: "user", version: 1 },
    ];
    expect(rows()).toEqual(after);
    expect(inDatabase((db) => db.prepare("SELECT user_id, version, actor FROM user_changes").all())).toEqual([
      { user_id: 1, version: 2, actor: "operator" },
    ]);
    expect(await run("o'hara", "--persist-to", folder)).toMatchObject({
      code: 0,
      output: expect.stringContaining("is an admin already"),
    });
    expect(rows()).toEqual(after);
    expect(await run("nobody", "--persist-to", folder)).toMatchObject({ code: 1 });
  });

  test("a wrong command line is 2, a folder without a database 1", async () => {
    for (const args of [[], ["a", "b"], ["a", "--nonsense"], ["a", "--env", "x"], ["a\nb"]]) {
      expect((await run(...args)).code, args.join(" ")).toBe(2);
    }
    expect((await run("a", "--persist-to", join(folder, "empty"))).code).toBe(1);
  });
});
