-- Mailed tokens, with one purpose and one order more than at first, and the mail of a development
-- service. Nothing was ever written to the first table.

DROP TABLE mailed_tokens;
CREATE TABLE mailed_tokens (
  digest TEXT PRIMARY KEY,                -- SHA-256 of the token, base64url; the token is kept nowhere
  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  purpose TEXT NOT NULL CHECK (purpose IN ('password_reset', 'account_unlock', 'email_verify', 'email_change')),
  email TEXT,                             -- where it was sent
  password_version INTEGER NOT NULL,      -- users.version then: any change of password, e-mail, role or activity moves it
  created_at INTEGER NOT NULL,
  issued_at_ms INTEGER NOT NULL DEFAULT 0, -- the order of asking: only the newest of a user and purpose is kept
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  CHECK (length(digest) = 43)
) STRICT, WITHOUT ROWID;
CREATE INDEX mailed_tokens_user ON mailed_tokens (user_id, purpose);

-- Written in development alone, where mail is never sent. What a message says is sealed.
CREATE TABLE dev_outbox (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,                -- of the mail: sending it twice is one row
  to_key TEXT NOT NULL,                   -- the address as it is compared
  sealed TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dev_outbox_to ON dev_outbox (to_key, seq);
