-- What Django had handed out when its users came over, kept only so that it can be exchanged once for
-- a session here. The import writes both tables and leaves out what has expired; times are seconds
-- since 1970 UTC. Rows that were used stay until they expire: a repeated import must not revive them.

-- Django's database sessions of users who are here, keyed by the SHA-256 of the session key (its
-- UTF-8 bytes, base64url): the key itself is a credential and is kept nowhere. `session_data` is the
-- signed text as Django wrote it (`signing.dumps`), which only DJANGO_SECRET_KEY can prove: the import
-- cannot, so neither it nor `user_id`, which was read out of it, says anything before that.
CREATE TABLE django_sessions (
  digest TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  session_data TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  exchanged_at INTEGER,                   -- null until it was exchanged
  CHECK (length(digest) = 43)
) STRICT, WITHOUT ROWID;
CREATE INDEX django_sessions_user ON django_sessions (user_id);
CREATE INDEX django_sessions_expires_at ON django_sessions (expires_at);

-- simplejwt's outstanding refresh tokens, keyed by `jti` (an identifier, not a credential). A deny-list:
-- `blacklisted` = 1 must be refused, and never goes back to 0. A token that is not in here may be good
-- all the same, since rotated ones were not recorded before simplejwt 5.5. No foreign key: a denial
-- outlives the user, and Django itself keeps tokens whose user is gone (null).
CREATE TABLE django_tokens (
  jti TEXT PRIMARY KEY,
  user_id INTEGER,
  expires_at INTEGER NOT NULL,
  blacklisted INTEGER NOT NULL CHECK (blacklisted IN (0, 1)),
  CHECK (length(jti) BETWEEN 1 AND 255)
) STRICT, WITHOUT ROWID;
CREATE INDEX django_tokens_expires_at ON django_tokens (expires_at);

-- The hash that a sign-in here wrote in place of the imported one, for the same password: such a hash
-- gives way when the password is changed in Django. Null where there was none, or none since the import.
ALTER TABLE imported_users ADD COLUMN renewed_digest TEXT;
DROP TRIGGER imported_users_forget;
CREATE TRIGGER imported_users_forget AFTER DELETE ON users BEGIN
  UPDATE imported_users
  SET source_digest = '', account_digest = '', password_digest = '', renewed_digest = NULL
  WHERE user_id = old.id;
END;
