/**
 * The tables inside the objects, as append-only steps: step n is the list's n-th entry and is
 * never edited once released. `objects/tables.ts` applies them and keeps the number of the last.
 */

/** One row a limit, in either object. */
const LIMITS = `CREATE TABLE limits (
     name TEXT PRIMARY KEY,
     seconds INTEGER NOT NULL,
     log TEXT NOT NULL             -- JSON: [at ms, count, …], oldest first; below 0: reserved
   ) STRICT, WITHOUT ROWID;`;

/** What is decided and not yet told to the world. */
const OUTBOX = `CREATE TABLE outbox (
     id INTEGER PRIMARY KEY,
     kind TEXT NOT NULL CHECK (kind IN ('denial', 'audit')),
     payload TEXT NOT NULL
   ) STRICT;`;

export const USER_AUTHORITY_TABLES: readonly string[] = [
  `CREATE TABLE account (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     user_id INTEGER NOT NULL,
     username TEXT NOT NULL,
     email TEXT,
     role TEXT NOT NULL,
     is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
     version INTEGER NOT NULL,
     epoch INTEGER NOT NULL,       -- grows with each end of every session; never falls
     epoch_moved_at INTEGER NOT NULL,
     epoch_history TEXT NOT NULL DEFAULT '[]', -- JSON: [[epoch, at, reason], …], the latest few
     revoked_before INTEGER NOT NULL DEFAULT 0 -- every family begun before it has ended; never falls
   ) STRICT;
   CREATE TABLE families (
     sid TEXT PRIMARY KEY,
     epoch INTEGER NOT NULL,       -- a family of a lower epoch than the account's has ended
     generation INTEGER NOT NULL,
     token_id TEXT NOT NULL,       -- the newest refresh token's; no secret: its key is elsewhere
     issued_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,  -- idle expiry and the newest token's exp
     previous_token_id TEXT,
     replaced_at_ms INTEGER,
     client_key TEXT NOT NULL,
     created_at INTEGER NOT NULL,
     absolute_expires_at INTEGER NOT NULL,
     auth_time INTEGER NOT NULL,
     amr TEXT NOT NULL,            -- JSON array
     ip TEXT,
     country TEXT,
     user_agent TEXT,
     device_name TEXT,
     history TEXT NOT NULL DEFAULT '[]', -- JSON: [[at, client changed], …], the latest refreshes
     ended_at INTEGER,
     end_reason TEXT,
     verdict TEXT,                 -- JSON: what was seen of a reuse
     CHECK (expires_at <= absolute_expires_at),
     CHECK ((previous_token_id IS NULL) = (replaced_at_ms IS NULL)),
     CHECK ((ended_at IS NULL) = (end_reason IS NULL))
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE lockouts (
     track TEXT PRIMARY KEY,       -- strangers, or device:<id>
     state TEXT NOT NULL           -- JSON of the decision's own shape
   ) STRICT, WITHOUT ROWID;
   ${LIMITS}
   ${OUTBOX}`,
  // When the user's state last came: a login that read it before must still be told so.
  "ALTER TABLE account ADD COLUMN heard_at INTEGER NOT NULL DEFAULT 0;",
  // Set once the user is deleted: nothing is ever opened for them again.
  "ALTER TABLE account ADD COLUMN erased_at INTEGER;",
  `CREATE TABLE adopted (
     name TEXT PRIMARY KEY,        -- keyed hash of what Django gave the user
     sid TEXT NOT NULL,            -- the session that came of it
     expires_at INTEGER NOT NULL   -- Django's: from then on nobody can show it
   ) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE used_codes (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     state TEXT NOT NULL           -- JSON of the decision's own shape: ids and time steps, no code
   ) STRICT;`,
  `CREATE TABLE mails (
     seq INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,      -- what a token in it follows from, with a key that is elsewhere
     payload TEXT NOT NULL,        -- JSON: what it is about; no token, no link
     asked_at_ms INTEGER NOT NULL,
     attempts INTEGER NOT NULL DEFAULT 0,
     due_at_ms INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE changes (
     id TEXT PRIMARY KEY,
     version INTEGER NOT NULL,     -- of the user before: a later one means that D1 was changed
     payload TEXT NOT NULL,        -- JSON: what is to happen here once it was
     look_at_ms INTEGER NOT NULL   -- when the alarm looks whether it was
   ) STRICT, WITHOUT ROWID;`,
];

export const IP_GUARD_TABLES: readonly string[] = [LIMITS];

/** Steps of their own: only a guard that has seen a failure has these tables. */
export const IP_GUARD_ABUSE_TABLES: readonly string[] = [
  `CREATE TABLE abuse (
     name TEXT PRIMARY KEY CHECK (name IN ('suspicions', 'block')),
     state TEXT NOT NULL           -- JSON of the decisions' own shapes
   ) STRICT, WITHOUT ROWID;
   ${OUTBOX}`,
];

export const GLOBAL_EPOCH_TABLES: readonly string[] = [
  `CREATE TABLE everyone (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     revoked_before INTEGER NOT NULL, -- every token of every user made before it is dead; never falls
     reason TEXT
   ) STRICT;
   ${OUTBOX}`,
];

export const ALERT_DESK_TABLES: readonly string[] = [
  `CREATE TABLE seen (
     id TEXT PRIMARY KEY,          -- an alert that was raised
     forget_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX seen_forget ON seen (forget_at);
   CREATE TABLE windows (
     kind TEXT PRIMARY KEY,
     state TEXT NOT NULL           -- JSON of the decision's own shape
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE messages (
     id INTEGER PRIMARY KEY,
     message_id TEXT NOT NULL UNIQUE,
     body TEXT NOT NULL,           -- as it is signed
     attempts INTEGER NOT NULL DEFAULT 0
   ) STRICT;
   CREATE TABLE delivery (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     failures INTEGER NOT NULL,
     next_at_ms INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE health (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     failing TEXT NOT NULL         -- JSON array of parts
   ) STRICT;`,
  `CREATE TABLE compared (
     one INTEGER PRIMARY KEY CHECK (one = 1),
     until INTEGER NOT NULL        -- the hours before it were compared with earlier days
   ) STRICT;`,
];
