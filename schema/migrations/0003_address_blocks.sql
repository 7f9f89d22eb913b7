-- What the addresses' objects have decided, to be listed: each writes its own row, the newest
-- decision last. An ended block stays as a row that has expired, until the daily run deletes it.

CREATE TABLE address_blocks (
  address TEXT PRIMARY KEY,               -- IPv4, or the /64 of IPv6
  scope TEXT NOT NULL CHECK (scope IN ('guesses', 'everything')),
  cause TEXT NOT NULL,                    -- a pattern, or admin
  reason TEXT,
  actor TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revision INTEGER NOT NULL               -- grows with each decision about the address
) STRICT, WITHOUT ROWID;
CREATE INDEX address_blocks_expires_at ON address_blocks (expires_at);
