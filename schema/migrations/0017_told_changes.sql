-- A changed password that the import took over from Django ends every session, as one that was changed here does.
ALTER TABLE user_changes ADD COLUMN ends_sessions INTEGER NOT NULL DEFAULT 0 CHECK (ends_sessions IN (0, 1));
