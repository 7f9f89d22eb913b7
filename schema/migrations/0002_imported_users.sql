-- What the import from Django last took over, so that a repeated import knows what is new there and
-- what was changed here. Digests are SHA-256, base64url.

CREATE TABLE imported_users (
  user_id INTEGER PRIMARY KEY,            -- no foreign key: who was deleted here must not be brought back
  source_digest TEXT NOT NULL,            -- of the whole record: is there anything new?
  account_digest TEXT NOT NULL,           -- of what only a deliberate change alters: was it touched here?
  password_digest TEXT NOT NULL           -- of the hash: was it changed or renewed here?
) STRICT;

-- Of a deleted user only the id stays.
CREATE TRIGGER imported_users_forget AFTER DELETE ON users BEGIN
  UPDATE imported_users SET source_digest = '', account_digest = '', password_digest = ''
  WHERE user_id = old.id;
END;
