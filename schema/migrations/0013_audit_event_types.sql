-- Finds the events of one type, of which there may be one in a month, without reading the month.
-- Not the two that are most of the trail: a page of those is found at once without it, and each
-- login and refresh would write a row more.
CREATE INDEX audit_events_type ON audit_events (type, at)
  WHERE type NOT IN ('login_succeeded', 'token_refreshed');
