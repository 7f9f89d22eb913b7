-- Since when the password is what it is, so that a client which was made known by an earlier one is known no more.

ALTER TABLE users ADD COLUMN password_version INTEGER NOT NULL DEFAULT 0; -- `version` as the password was set
-- As in 0008: a change of the password moves the version, a hash that is renewed at a sign-in does not.
CREATE TRIGGER users_password_version AFTER UPDATE OF password_hash ON users
WHEN new.password_hash <> old.password_hash AND new.version > old.version BEGIN
  UPDATE users SET password_version = new.version WHERE id = new.id;
END;
