/** What D1 has of an account, for its owner: no digest, no hash, and of the trail the newest part. */
import type { UserId } from "../schema/ids.ts";
import { reach } from "./authorities.ts";
import { asOwnEvent } from "./own-events.ts";

/** About 3 MB of answer. */
export const EXPORTED_EVENTS_MAX = 10_000;

type EventRow = {
  id: string;
  at: number;
  type: string;
  risk: string;
  reason: string | null;
  session_id: string | null;
  request_id: string | null;
  ip: string | null;
  country: string | null;
  city: string | null;
  user_agent: string | null;
};
type StoredEvent = EventRow & { actor: string | null };
type KeyRow = {
  key_id: string;
  name: string;
  permissions: string;
  created_at: number;
  expires_at: number | null;
  last_used_at: number | null;
};
type MailRow = {
  purpose: string;
  email: string | null;
  created_at: number;
  expires_at: number;
  used_at: number | null;
};
type FactorRow = { activated_at: number; recovery_codes_left: number };
type DjangoSessionRow = { expires_at: number; exchanged_at: number | null };
export type Holdings = {
  events: EventRow[];
  hasMoreEvents: boolean;
  keys: KeyRow[];
  mails: MailRow[];
  /** Null unless one is active. */
  factor: FactorRow | null;
  djangoSessions: DjangoSessionRow[];
};

/**
 * Events newest first. Words that an admin wrote about the user are left out: they are the admin's.
 * Every column is named, so that what a later migration adds is not exported by accident.
 */
export async function findHoldings(db: D1Database, id: UserId): Promise<Holdings> {
  const of = (sql: string) => db.prepare(sql).bind(id);
  const [events, keys, mails, factors, djangoSessions] = await reach("database", () =>
    db.batch([
      of(
        `SELECT id, at, type, risk, reason, sid AS session_id, request_id, ip, country, city, user_agent, actor
         FROM audit_events WHERE user_id = ? ORDER BY at DESC LIMIT ${EXPORTED_EVENTS_MAX + 1}`,
      ),
      of(
        `SELECT key_id, name, permissions, created_at, expires_at, last_used_at FROM api_keys
         WHERE user_id = ? ORDER BY created_at`,
      ),
      of(
        `SELECT purpose, email, created_at, expires_at, used_at FROM mailed_tokens
         WHERE user_id = ? ORDER BY created_at`,
      ),
      of(
        `SELECT activated_at, json_array_length(recovery_digests) AS recovery_codes_left FROM totp
         WHERE user_id = ? AND activated_at IS NOT NULL`,
      ),
      of("SELECT expires_at, exchanged_at FROM django_sessions WHERE user_id = ? ORDER BY expires_at"),
    ]),
  );
  const all = (events?.results ?? []) as StoredEvent[];
  return {
    events: all.slice(0, EXPORTED_EVENTS_MAX).map((event) => asOwnEvent(event, id)),
    hasMoreEvents: all.length > EXPORTED_EVENTS_MAX,
    keys: (keys?.results ?? []) as KeyRow[],
    mails: (mails?.results ?? []) as MailRow[],
    factor: ((factors?.results ?? []) as FactorRow[])[0] ?? null,
    djangoSessions: (djangoSessions?.results ?? []) as DjangoSessionRow[],
  };
}
