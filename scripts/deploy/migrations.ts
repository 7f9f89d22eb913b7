/**
 * Migrations that only expand. A migration is applied while the older code still serves, and that
 * code serves again after a rollback, so nothing that it reads may go.
 */

/** What stands in a migration that older code cannot bear. */
export type Contraction = { file: string; statement: string };

/**
 * Those that contract and are taken as they are, each with its reason. Not one more may come in
 * once there is a deployment: expand now, and contract when no version that minds can be rolled back to.
 */
export const ACCEPTED: Readonly<Record<string, string>> = {
  "0004_mail.sql": "before the first deployment: nothing was ever written to the table",
  "0006_roles.sql": "before the first deployment: no older code is anywhere",
  "0010_audit_trail.sql": "before the first deployment: no older code is anywhere",
};

/** In comments and in quotes, words mean nothing; a quoted name is kept as it is. */
const NO_CODE = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'/g;
const NAME = '(?:\\w+|"[^"]+"|`[^`]+`|\\[[^\\]]+\\])';
const IF = "(?:IF\\s+(?:NOT\\s+)?EXISTS\\s+)?";

/** Every contraction of one migration, accepted or not. */
export function contractionsOf(file: string, sql: string): Contraction[] {
  const code = sql.replaceAll(NO_CODE, " ");
  const all = (pattern: string) => [...code.matchAll(new RegExp(pattern, "gi"))];
  const made = (kind: string) =>
    new Set(all(`\\bCREATE\\s+${kind}\\s+${IF}(${NAME})`).map(([, name = ""]) => plain(name)));
  const tables = made("(?:TEMP\\w*\\s+)?TABLE");
  const triggers = made("TRIGGER");
  const indexes = made("(?:UNIQUE\\s+)?INDEX");
  const renamed = new Map(
    all(`\\bALTER\\s+TABLE\\s+(${NAME})\\s+RENAME\\s+TO\\s+(${NAME})`).map(([, from = "", to = ""]) => [
      plain(to),
      plain(from),
    ]),
  );
  const isNew = (table: string) => tables.has(plain(table)) || tables.has(renamed.get(plain(table)) ?? "");

  const findings = [
    // A table whose name is given to another one, too: its rows are gone.
    ...all(`\\bDROP\\s+(?:TABLE|VIEW)\\s+${IF}(${NAME})`),
    ...all(`\\bALTER\\s+TABLE\\s+(${NAME})\\s+DROP\\s+(?:COLUMN\\s+)?${NAME}`).filter(
      ([, table = ""]) => !isNew(table),
    ),
    ...all(`\\bALTER\\s+TABLE\\s+(${NAME})\\s+RENAME\\s+(?:(?:COLUMN\\s+)?${NAME}\\s+)?TO\\s+${NAME}`).filter(
      ([, table = ""]) => !isNew(table),
    ),
    // One that is made again in the same file is a change of it, which its author weighs.
    ...all(`\\bDROP\\s+TRIGGER\\s+${IF}(${NAME})`).filter(([, name = ""]) => !triggers.has(plain(name))),
    ...all(`\\bDROP\\s+INDEX\\s+${IF}(${NAME})`).filter(([, name = ""]) => !indexes.has(plain(name))),
    // Older code may write what this refuses.
    ...all(`\\bCREATE\\s+UNIQUE\\s+INDEX\\s+${IF}${NAME}\\s+ON\\s+(${NAME})`).filter(
      ([, table = ""]) => !isNew(table),
    ),
  ];
  return findings
    .sort((a, b) => a.index - b.index)
    .map(([statement]) => ({ file, statement: statement.replaceAll(/\s+/g, " ") }));
}

/** Every contraction that nobody has accepted. */
export function refusedContractions(migrations: { file: string; sql: string }[]): Contraction[] {
  return migrations
    .filter(({ file }) => !Object.hasOwn(ACCEPTED, file))
    .flatMap(({ file, sql }) => contractionsOf(file, sql));
}

function plain(name: string): string {
  return name.replaceAll(/["`[\]]/g, "").toLowerCase();
}
