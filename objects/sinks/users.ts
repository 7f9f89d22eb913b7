/** The user's row in D1, where an object has to look whether a change was made. */
import type { UserState } from "../../schema/user-authority.ts";
import { type UserRow, userState } from "../../schema/users.ts";

/** The user as D1 has it now, or null if there is none. */
export async function readUser(db: D1Database, id: number): Promise<UserState | null> {
  const row = await db.prepare("SELECT * FROM users WHERE id = ?").bind(id).first<UserRow>();
  return row === null ? null : userState(row);
}
