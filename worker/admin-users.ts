/**
 * What admins do to users: find them, page through them, change role and activity. The change, its
 * event and the note that the user's object has not heard of it are one transaction of D1; whatever
 * dies in between, the run of every minute tells both.
 */
import { type AuditEvent, NO_CLIENT } from "../schema/audit-events.ts";
import { emailKey, usernameKey } from "../schema/identity.ts";
import type { UserId } from "../schema/ids.ts";
import type { NumericDate } from "../schema/time.ts";
import type { HearOfUser, HearOfUserAnswer } from "../schema/user-authority.ts";
import type { UserRow } from "../schema/users.ts";
import { reach } from "./authorities.ts";
import { tellOf } from "./hear-of-user.ts";
import { tellAtOnce } from "./untold-events.ts";
import { COLUMNS } from "./users.ts";

/** A request that is still under way tells it itself. */
const UNTOLD_AFTER_SECONDS = 30;
const UNTOLD_MAX = 100;
/** Above every character that a name can have: the end of a prefix's range. */
const LAST_CHARACTER = "\u{10FFFF}";
/** Between user and version, in an event's id. */
const CHANGED = ".user_changed_by_admin.";

/**
 * A page of users in the order of their ids, so that new ones never move it: after the id `after`,
 * and with a user name or e-mail that begins with `query` in any case. By index, not by pattern.
 */
export async function findUsers(
  db: D1Database,
  { query, after, limit }: { query: string; after: number; limit: number },
): Promise<UserRow[]> {
  const range = (key: string, column: string) =>
    `SELECT id FROM users WHERE ${column} >= ${key} AND ${column} < ${key} || '${LAST_CHARACTER}'`;
  const isNamed = `AND id IN (${range("?3", "username_key")} UNION ${range("?4", "email_key")})`;
  const statement = db.prepare(
    `SELECT ${COLUMNS} FROM users WHERE id > ?1 ${query === "" ? "" : isNamed} ORDER BY id LIMIT ?2`,
  );
  const keys = query === "" ? [] : [usernameKey(query), emailKey(query)];
  const { results } = await reach("database", () => statement.bind(after, limit, ...keys).all<UserRow>());
  return results;
}

export type UserChange = { role: string | null; isActive: boolean | null };
/** `ends_sessions`: the import changed the password, too. */
type Pending = { version: number; actor: string; ends_sessions: number };
type Asked = Pick<HearOfUser, "client" | "requestId"> & { now: NumericDate };
/** `pending`: what the user's object must still hear, of this change or an earlier one. */
export type ChangedUser =
  | { kind: "unknown" }
  | { kind: "last_admin" }
  /** The account is closed for good: the daily run finishes what was begun. */
  | { kind: "deletion_begun" }
  | { kind: "done"; row: UserRow; pending: Pending | null };

/**
 * Changes role and activity unless that would leave no active admin: one statement decides, so
 * that of two admins who demote each other at once, one stays. What is so already changes nothing.
 * An account whose deletion has begun stays closed: it would be erased all the same, and might be
 * the last admin by then.
 */
export async function changeUser(
  db: D1Database,
  id: UserId,
  { role, isActive }: UserChange,
  { actor, ...asked }: Asked & { actor: string },
): Promise<ChangedUser> {
  const active = isActive === null ? null : Number(isActive);
  const event = JSON.stringify(changeEvent(id, asked, actor, {}));
  const [, , , after, untold, begun] = await reach("database", () =>
    db.batch([
      db
        .prepare(
          `UPDATE users SET role = coalesce(?2, role), is_active = coalesce(?3, is_active), version = version + 1
           WHERE id = ?1 AND (role, is_active) <> (coalesce(?2, role), coalesce(?3, is_active))
             AND (role <> 'admin' OR is_active = 0
               OR (coalesce(?2, role) = 'admin' AND coalesce(?3, is_active) = 1)
               OR EXISTS (SELECT 1 FROM users AS other
                    WHERE other.role = 'admin' AND other.is_active = 1 AND other.id <> ?1))
             AND NOT (coalesce(?3, 0) = 1 AND id IN (SELECT user_id FROM deletions))`,
        )
        .bind(id, role, active),
      db
        .prepare(
          `INSERT INTO user_changes (user_id, version, actor, at)
           SELECT id, version, ?2, ?3 FROM users WHERE id = ?1 AND changes() > 0
           ON CONFLICT (user_id) DO UPDATE SET version = excluded.version, actor = excluded.actor, at = excluded.at`,
        )
        .bind(id, actor, asked.now),
      db
        .prepare(
          `INSERT INTO untold_events (id, at, event)
           SELECT key, ?3, json_set(?2, '$.id', key, '$.details.role', role,
             '$.details.is_active', json(iif(is_active, 'true', 'false')))
           FROM (SELECT id || '${CHANGED}' || version AS key, role, is_active
             FROM users WHERE id = ?1 AND changes() > 0)`,
        )
        .bind(id, event, asked.now),
      db.prepare(`SELECT ${COLUMNS} FROM users WHERE id = ?`).bind(id),
      db.prepare("SELECT version, actor, ends_sessions FROM user_changes WHERE user_id = ?").bind(id),
      db.prepare("SELECT 1 FROM deletions WHERE user_id = ?").bind(id),
    ]),
  );
  const [row] = (after as D1Result<UserRow>).results;
  const [pending = null] = (untold as D1Result<Pending>).results;
  if (row === undefined) return { kind: "unknown" };
  const isAsWanted = (role ?? row.role) === row.role && (active ?? row.is_active) === row.is_active;
  if (isAsWanted) return { kind: "done", row, pending };
  return { kind: active === 1 && begun?.results.length === 1 ? "deletion_begun" : "last_admin" };
}

/**
 * Tells the user's object of the change, then forgets that it had to, and tells the audit trail: a
 * new role is felt by new tokens only, so the older ones die; who is inactive has no session left.
 */
export async function tellChange(
  env: Env,
  row: UserRow,
  { version, actor, ends_sessions }: Pending,
  origin: Asked & Pick<HearOfUser, "revokedBefore">,
): Promise<HearOfUserAnswer> {
  const { now, ...from } = origin;
  const isActive = row.is_active === 1;
  const answer = await tellOf(env, row, {
    sessions: isActive && ends_sessions === 0 ? "distrust" : "end",
    reason: !isActive ? "user_inactive" : ends_sessions === 0 ? "role_changed" : "password_changed",
    by: null,
    note: actor,
    actor,
    ...from,
  });
  const details = { role: row.role, is_active: isActive, sessions_ended: answer.revoked };
  const event = { ...changeEvent(row.id, origin, actor, details), id: `${row.id}${CHANGED}${version}` };
  const forget = "DELETE FROM user_changes WHERE user_id = ? AND version <= ?";
  // Noted already by the request that made the change, if one did: whose and when it was stays as it is.
  const note = `
    INSERT INTO untold_events (id, at, event) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET
      event = json_set(event, '$.details.sessions_ended', excluded.event ->> '$.details.sessions_ended')`;
  await reach("database", () =>
    env.DB.batch([
      env.DB.prepare(note).bind(event.id, now, JSON.stringify(event)),
      env.DB.prepare(forget).bind(row.id, version),
    ]),
  );
  await tellAtOnce(env, now);
  return answer;
}

/** Its id ends in the version of the user that the change has made, which D1 knows. */
function changeEvent(
  userId: number,
  { now, client, requestId }: Asked,
  actor: string,
  details: AuditEvent["details"],
): AuditEvent {
  const about = { userId, actor, sid: null, reason: null, requestId, client };
  return { id: "", at: now, type: "user_changed_by_admin", ...about, details: { actor, ...details } };
}

/**
 * Tells what was not told when it was changed; also what an operator's command has changed in D1.
 * Each is tried; throws, for the next run to try again, if one could not be told.
 */
export async function tellUntold(env: Env, now: NumericDate): Promise<void> {
  const { results } = await env.DB.prepare(
    `SELECT ${COLUMNS}, told_version, actor, ends_sessions
     FROM (SELECT user_id, version AS told_version, actor, at, ends_sessions FROM user_changes WHERE at <= ? ORDER BY at LIMIT ?)
     JOIN users ON users.id = user_id ORDER BY at`,
  )
    .bind(now - UNTOLD_AFTER_SECONDS, UNTOLD_MAX)
    .all<UserRow & { told_version: number; actor: string; ends_sessions: number }>();
  const faults: unknown[] = [];
  for (const row of results) {
    const requestId = `${row.id}.untold.${row.told_version}`;
    const origin = { client: NO_CLIENT, requestId, revokedBefore: 0, now };
    const { told_version: version, actor, ends_sessions } = row;
    const pending = { version, actor, ends_sessions };
    await tellChange(env, row, pending, origin).catch((fault: unknown) => faults.push(fault));
  }
  if (faults.length > 0) throw new Error(`${faults.length} changes could not be told`, { cause: faults[0] });
}
