-- Who acted on others and then deletes their account: of what they did, the trail forgets from where
-- they did it. Whose account it was done to is not concerned, and keeps all words about it.

-- Few events are of another actor than the user they are about: without this, each deletion would
-- read the whole trail.
CREATE INDEX audit_events_actor ON audit_events (actor)
  WHERE actor IS NOT NULL AND actor IS NOT 'user:' || user_id;

CREATE TRIGGER audit_events_forget_actor AFTER DELETE ON users BEGIN
  UPDATE audit_events SET ip = NULL, country = NULL, city = NULL, colo = NULL, user_agent = NULL
  WHERE actor = 'user:' || old.id AND actor IS NOT NULL AND actor IS NOT 'user:' || user_id;
END;

CREATE TRIGGER audit_events_forgotten_actor AFTER INSERT ON audit_events
WHEN new.actor GLOB 'user:*' AND CAST(substr(new.actor, 6) AS INTEGER) IN (SELECT user_id FROM deletions) BEGIN
  UPDATE audit_events SET ip = NULL, country = NULL, city = NULL, colo = NULL, user_agent = NULL
  WHERE id = new.id;
END;

-- Those who are gone already.
UPDATE audit_events SET ip = NULL, country = NULL, city = NULL, colo = NULL, user_agent = NULL
WHERE actor GLOB 'user:*' AND actor IS NOT 'user:' || user_id
  AND CAST(substr(actor, 6) AS INTEGER) IN (SELECT user_id FROM deletions)
  AND CAST(substr(actor, 6) AS INTEGER) NOT IN (SELECT id FROM users);
