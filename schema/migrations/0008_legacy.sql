-- The move from Django: when it ended, whose tokens of Django's are refused, and who has arrived.

CREATE TABLE migration_end (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  finished_at INTEGER NOT NULL,           -- nothing of Django's is accepted any more, ever
  actor TEXT NOT NULL
) STRICT;

-- Users whose password was changed since they were imported: what Django gave them before is dead.
CREATE TABLE django_refused (
  user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE
) STRICT;
-- A change of the password is news (`version` grows); a hash that is renewed at a sign-in is not.
CREATE TRIGGER django_refuse AFTER UPDATE OF password_hash ON users
WHEN new.password_hash <> old.password_hash AND new.version > old.version BEGIN
  INSERT INTO django_refused (user_id)
  SELECT user_id FROM imported_users WHERE user_id = new.id ON CONFLICT DO NOTHING;
END;

-- When an imported user first signed in here; null until then.
ALTER TABLE imported_users ADD COLUMN signed_in_at INTEGER;
CREATE TRIGGER imported_users_forget_sign_in AFTER DELETE ON users BEGIN
  UPDATE imported_users SET signed_in_at = NULL WHERE user_id = old.id;
END;
