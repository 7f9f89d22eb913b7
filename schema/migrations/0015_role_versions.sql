-- What a token could do is told by the version of its role, not by what it lists: a list may come
-- back, and a token that was not believed any more must not come back with it. A trigger, so that it
-- holds whoever changes the row.

ALTER TABLE roles ADD COLUMN version INTEGER NOT NULL DEFAULT 1; -- grows with each change of permissions

CREATE TRIGGER roles_version AFTER UPDATE OF permissions ON roles
WHEN new.permissions <> old.permissions BEGIN
  UPDATE roles SET version = version + 1 WHERE name = new.name;
END;
