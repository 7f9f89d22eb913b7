/** Migrations only expand: what older code reads stays, so that it can serve before and after. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ACCEPTED, contractionsOf, refusedContractions } from "../../scripts/deploy/migrations.ts";
import { ROOT } from "../../scripts/wrangler.ts";

const FOLDER = join(ROOT, "schema/migrations");
const MIGRATIONS = readdirSync(FOLDER)
  .sort()
  .map((file) => ({ file, sql: readFileSync(join(FOLDER, file), "utf8") }));
const statements = (sql: string) => contractionsOf("0099_x.sql", sql).map(({ statement }) => statement);

describe("the migrations that there are", () => {
  test("none but the accepted contracts", () => {
    expect(MIGRATIONS.length).toBeGreaterThan(9);
    expect(refusedContractions(MIGRATIONS)).toEqual([]);
  });

  test("the accepted take away this and no more, and need their exception", () => {
    const found = MIGRATIONS.flatMap(({ file, sql }) => contractionsOf(file, sql));
    expect(found.map(({ file, statement }) => `${file}: ${statement}`)).toEqual([
      "0004_mail.sql: DROP TABLE mailed_tokens",
      "0006_roles.sql: ALTER TABLE users DROP COLUMN role",
      "0006_roles.sql: ALTER TABLE users RENAME COLUMN role_name TO role",
      "0006_roles.sql: ALTER TABLE api_keys DROP COLUMN revoked_at",
      "0010_audit_trail.sql: DROP TABLE audit_events",
    ]);
    expect([...new Set(found.map(({ file }) => file))]).toEqual(Object.keys(ACCEPTED));
  });

  test("one more that contracts is refused, and named", () => {
    const more = { file: "0099_x.sql", sql: "DROP TABLE profiles;" };
    expect(refusedContractions([...MIGRATIONS, more])).toEqual([
      { file: "0099_x.sql", statement: "DROP TABLE profiles" },
    ]);
  });
});

test.for([
  "DROP TABLE users;",
  "drop table if exists users;",
  "DROP VIEW active_users;",
  'ALTER TABLE "users" DROP COLUMN email;',
  "ALTER TABLE users DROP email;",
  "ALTER TABLE users RENAME TO people;",
  "ALTER TABLE users RENAME COLUMN email TO mail;",
  "ALTER TABLE users RENAME email TO mail;",
  "ALTER TABLE users\n  -- no longer needed\n  DROP\n  COLUMN email;",
  "DROP TRIGGER audit_events_forget;",
  "DROP INDEX users_email_key;",
  "CREATE UNIQUE INDEX users_email ON users (email_key);",
  // The rows of the old table go with it, though the name stays.
  "DROP TABLE users; CREATE TABLE users (id INTEGER PRIMARY KEY) STRICT;",
])("refused: %s", (sql) => {
  expect(statements(sql)).toHaveLength(1);
});

test.for([
  "CREATE TABLE x (id INTEGER PRIMARY KEY) STRICT; CREATE INDEX x_id ON x (id);",
  "ALTER TABLE users ADD COLUMN nickname TEXT;",
  "CREATE TABLE x (a TEXT) STRICT; CREATE UNIQUE INDEX x_a ON x (a);",
  "CREATE TABLE x (a TEXT) STRICT; ALTER TABLE x RENAME TO y; CREATE UNIQUE INDEX y_a ON y (a);",
  "DROP TRIGGER t; CREATE TRIGGER t AFTER DELETE ON users BEGIN SELECT 1; END;",
  "DROP INDEX IF EXISTS i; CREATE INDEX i ON users (id);",
  "-- DROP TABLE users;\n/* ALTER TABLE users DROP COLUMN email; */ SELECT 1;",
  "INSERT INTO roles (name, permissions, updated_at) VALUES ('it''s; DROP TABLE users', '[]', 0);",
])("taken: %s", (sql) => {
  expect(statements(sql)).toEqual([]);
});
