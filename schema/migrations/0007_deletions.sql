-- Accounts that are being deleted, and those that were: a row closes the account for good, and is
-- kept for as long as an event about its user can still arrive. The user's row is deleted last.

CREATE TABLE deletions (
  user_id INTEGER PRIMARY KEY,            -- no foreign key: it outlives the user
  asked_at INTEGER NOT NULL
) STRICT;

-- Of a deleted user the audit trail keeps the id, which names nobody any more and is never given out
-- again, and what happened when and to which session; it forgets from where, and all words but the
-- id of an admin who acted. This holds whoever writes the event, and however late it arrives.
CREATE TRIGGER audit_events_forget AFTER DELETE ON users BEGIN
  UPDATE audit_events SET ip = NULL, country = NULL, user_agent = NULL, details =
    CASE json_type(details, '$.actor') WHEN 'text' THEN json_object('actor', details ->> '$.actor') ELSE '{}' END
  WHERE user_id = old.id;
END;

CREATE TRIGGER audit_events_forgotten AFTER INSERT ON audit_events
WHEN new.user_id IN (SELECT user_id FROM deletions) BEGIN
  UPDATE audit_events SET ip = NULL, country = NULL, user_agent = NULL, details =
    CASE json_type(details, '$.actor') WHEN 'text' THEN json_object('actor', details ->> '$.actor') ELSE '{}' END
  WHERE id = new.id;
END;
