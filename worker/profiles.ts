/** The edge's writes to `profiles`. Every call can throw an `Outage` (503). */
import type { UserId } from "../schema/ids.ts";
import type { ProfileChange, ProfileField } from "../schema/profile.ts";
import type { NumericDate } from "../schema/time.ts";
import { reach } from "./authorities.ts";

/** The only columns that a request can reach (ADM-02). */
const FIELDS: readonly ProfileField[] = ["first_name", "last_name", "avatar_url", "timezone", "language"];

/**
 * Writes what the change names and leaves the rest, in one statement: of two changes at once
 * neither undoes the other. Nothing is written for a user who is gone or not active.
 */
export async function changeProfile(
  db: D1Database,
  id: UserId,
  change: ProfileChange,
  now: NumericDate,
): Promise<void> {
  const named = FIELDS.filter((field) => change[field] !== undefined);
  if (named.length === 0) return;
  const columns = named.join(", ");
  const values = named.map((field) => change[field] ?? null);
  const updates = named.map((field) => `${field} = excluded.${field}`).join(", ");
  await reach("database", () =>
    db
      .prepare(
        `INSERT INTO profiles (user_id, updated_at, ${columns})
         SELECT id, ?, ${named.map(() => "?").join(", ")} FROM users WHERE id = ? AND is_active = 1
         ON CONFLICT (user_id) DO UPDATE SET updated_at = excluded.updated_at, ${updates}`,
      )
      .bind(now, ...values, id)
      .run(),
  );
}
