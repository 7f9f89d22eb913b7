-- Second factors. A secret is here as ciphertext alone, a recovery code as a digest alone.

CREATE TABLE totp (
  user_id INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
  enrolment TEXT NOT NULL,                -- 128 random bits, base64url: names this secret, here and in the user's object
  key_id TEXT NOT NULL,                   -- which key of DATA_ENCRYPTION_KEY it is encrypted with
  secret TEXT NOT NULL,                   -- AES-256-GCM, base64url: nonce, ciphertext, tag
  recovery_digests TEXT NOT NULL DEFAULT '[]', -- JSON: SHA-256, base64url, of each code that is not used up
  created_at INTEGER NOT NULL,
  activated_at INTEGER                    -- null: enrolled, and asked for at no login yet
) STRICT;
CREATE INDEX totp_key ON totp (key_id);   -- what a rotation still has to encrypt anew
