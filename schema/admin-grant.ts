/** Making somebody an admin from the command line: the statements. Pure. */
import type { NumericDate } from "./time.ts";

/**
 * What is run in this order, in D1's own words since a remote one takes no parameters. The first
 * answers who that was; the others change nothing for who is an admin already. The note in
 * `user_changes` lets the running service tell the user's object within two minutes.
 */
export function grantStatements(username: string, now: NumericDate): string[] {
  const isWanted = `username = ${quoted(username)} AND role <> 'admin'`;
  return [
    `SELECT id, role, is_active FROM users WHERE username = ${quoted(username)}`,
    `INSERT INTO user_changes (user_id, version, actor, at)
       SELECT id, version + 1, 'operator', ${now} FROM users WHERE ${isWanted}
       ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, actor = excluded.actor, at = excluded.at`,
    `UPDATE users SET role = 'admin', version = version + 1 WHERE ${isWanted}`,
  ];
}

/** True for a name that can be put into a statement: SQLite's text ends at a NUL. */
export function isQuotable(username: string): boolean {
  return username !== "" && username.isWellFormed() && !/\p{Cc}/u.test(username);
}

/** A text literal of SQL: only the quote has a meaning in one. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
