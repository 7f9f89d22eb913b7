-- Events of changes that are made in D1 itself, until the audit trail has them: written in the
-- transaction of the change, so that neither is there without the other.

CREATE TABLE untold_events (
  id TEXT PRIMARY KEY,                    -- the event's own
  at INTEGER NOT NULL,                    -- when it was noted
  event TEXT NOT NULL                     -- JSON, as schema/audit-events.ts says
) STRICT, WITHOUT ROWID;
