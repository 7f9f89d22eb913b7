/** How far the move from Django has come, and its end. Every call can throw an `Outage` (503). */
import type { AuditEvent } from "../schema/audit-events.ts";
import { ALL_TIME } from "../schema/security-hours.ts";
import type { NumericDate } from "../schema/time.ts";
import { reach } from "./authorities.ts";
import { noteIfChanged } from "./untold-events.ts";

export type Progress = {
  finished_at: NumericDate | null;
  imported: number;
  signed_in: number;
  rehashed: number;
  old_hashes: number;
  unusable: number;
  sessions_left: number;
  sessions_exchanged: number;
  tokens_exchanged: number;
};

/** How every hash that is made here begins; whatever else an imported user has is Django's. */
const OURS = "argon2$argon2id$v=19$m=19456,t=2,p=1$*";

/**
 * Reads the users once: for an operator, not for a client. Tokens are counted where the trail's retention
 * takes nothing away; sessions by their rows at once, and there as well once the rows are gone.
 */
export async function findProgress(db: D1Database, now: NumericDate): Promise<Progress> {
  const progress = await reach("database", () =>
    db
      .prepare(
        `SELECT (SELECT finished_at FROM migration_end) AS finished_at,
           count(*) AS imported,
           count(signed_in_at) AS signed_in,
           count(*) FILTER (WHERE password_hash GLOB ?2) AS rehashed,
           count(*) FILTER (WHERE password_hash NOT GLOB ?2 AND password_hash NOT GLOB '!*') AS old_hashes,
           count(*) FILTER (WHERE password_hash GLOB '!*') AS unusable,
           (SELECT count(*) FROM django_sessions WHERE exchanged_at IS NULL AND expires_at > ?1) AS sessions_left,
           max((SELECT count(*) FROM django_sessions WHERE exchanged_at IS NOT NULL),
             coalesce((SELECT types ->> '$.django_session_exchanged' FROM security_hours WHERE hour = ?3), 0))
             AS sessions_exchanged,
           coalesce((SELECT types ->> '$.django_token_exchanged' FROM security_hours WHERE hour = ?3), 0)
             AS tokens_exchanged
         FROM imported_users JOIN users ON users.id = imported_users.user_id`,
      )
      .bind(now, OURS, ALL_TIME)
      .first<Progress>(),
  );
  if (progress === null) throw new Error("an aggregate has one row");
  return progress;
}

/** Ends it for good and notes the event; false if it had ended before, which is left as it was. */
export async function finishMigration(db: D1Database, actor: string, event: AuditEvent): Promise<boolean> {
  const [ended] = await reach("database", () =>
    db.batch([
      db
        .prepare(
          "INSERT INTO migration_end (one, finished_at, actor) VALUES (1, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(event.at, actor),
      noteIfChanged(db, event),
    ]),
  );
  return (ended?.meta.changes ?? 0) > 0;
}
