-- Whom a development service's mail is about: it goes with the user, and none comes after.

ALTER TABLE dev_outbox ADD COLUMN user_id INTEGER REFERENCES users (id) ON DELETE CASCADE;
