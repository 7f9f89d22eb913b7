-- Users, profiles, the audit trail, mailed tokens and API keys. Times are seconds since 1970 UTC.

CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- a deleted id is never given out again
  username TEXT NOT NULL UNIQUE,          -- exact; imported names may differ only in case
  username_key TEXT NOT NULL,             -- NFKC, case-folded: what a new name may not equal
  email TEXT,
  email_key TEXT,                         -- NFKC, lower case; imported accounts may share one
  email_verified INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
  password_hash TEXT NOT NULL,            -- Django's encoding; "!" and more: no password is right
  role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
  is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
  version INTEGER NOT NULL DEFAULT 1,     -- grows with each change that a token or session must hear of
  created_at INTEGER NOT NULL,
  last_login INTEGER,
  CHECK ((email IS NULL) = (email_key IS NULL)),
  CHECK (length(username) BETWEEN 1 AND 150)
) STRICT;
CREATE INDEX users_username_key ON users (username_key);
CREATE INDEX users_email_key ON users (email_key) WHERE email_key IS NOT NULL;

CREATE TABLE profiles (
  user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  first_name TEXT NOT NULL DEFAULT '',
  last_name TEXT NOT NULL DEFAULT '',
  avatar_url TEXT,
  timezone TEXT,
  language TEXT,
  updated_at INTEGER NOT NULL
) STRICT;

-- No foreign key: the trail outlives the account that it is about.
CREATE TABLE audit_events (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  risk TEXT NOT NULL CHECK (risk IN ('low', 'medium', 'high', 'critical')),
  user_id INTEGER,
  sid TEXT,
  reason TEXT,
  request_id TEXT,
  ip TEXT,
  country TEXT,
  user_agent TEXT,
  details TEXT NOT NULL DEFAULT '{}'
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_user ON audit_events (user_id, at) WHERE user_id IS NOT NULL;

CREATE TABLE mailed_tokens (
  digest TEXT PRIMARY KEY,                -- SHA-256 of the token, base64url; the token is kept nowhere
  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  purpose TEXT NOT NULL CHECK (purpose IN ('password_reset', 'email_verify', 'email_change')),
  email TEXT,
  password_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  CHECK (length(digest) = 43)
) STRICT, WITHOUT ROWID;
CREATE INDEX mailed_tokens_user ON mailed_tokens (user_id, purpose);

CREATE TABLE api_keys (
  key_id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,                   -- SHA-256 of the secret, base64url
  permissions TEXT NOT NULL,              -- JSON array
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_user ON api_keys (user_id);
