-- Roles as rows, so that there can be more than two, and what D1 has changed and a user's object has
-- not yet heard. The column is exchanged, not the table: dropping a table deletes its rows first, and
-- profiles, keys and mailed tokens would go with them.

CREATE TABLE roles (
  name TEXT PRIMARY KEY,
  permissions TEXT NOT NULL,              -- JSON array of resource:action, sorted
  updated_at INTEGER NOT NULL,
  CHECK (length(name) BETWEEN 1 AND 32)
) STRICT, WITHOUT ROWID;
INSERT INTO roles (name, permissions, updated_at) VALUES
  ('admin', '["*:*"]', 0),
  ('user', '["files:create","files:read","profile:read","profile:update"]', 0);

-- No foreign key: a role that is not in the table may do nothing.
ALTER TABLE users ADD COLUMN role_name TEXT NOT NULL DEFAULT 'user' CHECK (length(role_name) BETWEEN 1 AND 32);
UPDATE users SET role_name = role WHERE role <> 'user';
ALTER TABLE users DROP COLUMN role;
ALTER TABLE users RENAME COLUMN role_name TO role;
CREATE INDEX users_admins ON users (id) WHERE role = 'admin' AND is_active = 1;

CREATE TABLE user_changes (
  user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,               -- of the user, once changed
  actor TEXT NOT NULL,                    -- user:<id> or operator
  at INTEGER NOT NULL
) STRICT;

-- A revoked key is deleted; the audit trail remembers it.
ALTER TABLE api_keys DROP COLUMN revoked_at;
