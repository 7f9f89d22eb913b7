/**
 * Development's transport: mail is never sent, it is kept for `GET /dev/outbox`. What a message says
 * is sealed, so that also in development no table holds a usable token.
 */
import { base64url } from "jose";
import { z } from "zod";
import type { Config } from "../../schema/config.ts";
import { emailKey } from "../../schema/identity.ts";
import type { NumericDate } from "../../schema/time.ts";
import { randomBytes } from "../entropy.ts";
import { keyedHash } from "../tokens/refresh-key.ts";
import type { Mailer } from "./message.ts";

const SHOWN_MAX = 100;
const KEPT_MAX = 1000;
const IV_BYTES = 12;

const sealedSchema = z.object({ to: z.string(), subject: z.string(), text: z.string(), html: z.string() });
export type KeptMessage = z.infer<typeof sealedSchema> & { createdAt: NumericDate };

/** Keeps messages in D1, the same one once. Throws for a user who is gone (the key's reference). */
export function outboxMailer(db: D1Database, config: Config): Mailer {
  return {
    async send({ id, userId, ...message }, now) {
      const sealed = await seal(config, JSON.stringify(message));
      await db.batch([
        db
          .prepare(
            "INSERT OR IGNORE INTO dev_outbox (id, user_id, to_key, sealed, created_at) VALUES (?, ?, ?, ?, ?)",
          )
          .bind(id, userId, emailKey(message.to), sealed, now),
        db
          .prepare("DELETE FROM dev_outbox WHERE seq <= (SELECT max(seq) FROM dev_outbox) - ?")
          .bind(KEPT_MAX),
      ]);
    },
  };
}

/** The latest messages, newest first; to one address, compared as addresses are, or to all. */
export async function keptMessages(
  db: D1Database,
  config: Config,
  to: string | null,
): Promise<KeptMessage[]> {
  const { results } = await db
    .prepare(
      `SELECT sealed, created_at FROM dev_outbox WHERE ?1 IS NULL OR to_key = ?1 ORDER BY seq DESC LIMIT ?2`,
    )
    .bind(to === null ? null : emailKey(to), SHOWN_MAX)
    .all<{ sealed: string; created_at: number }>();
  const opened = await Promise.all(results.map(({ sealed }) => unseal(config, sealed)));
  // A new secret makes the messages under the old one unreadable: they are as good as gone.
  return opened.flatMap((message, index) => {
    return message === null ? [] : [{ ...message, createdAt: results[index]?.created_at ?? 0 }];
  });
}

async function sealingKey(config: Config): Promise<CryptoKey> {
  const bytes = await keyedHash(config, "dev-outbox", "");
  return crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
}

async function seal(config: Config, text: string): Promise<string> {
  const iv = randomBytes(IV_BYTES);
  const algorithm = { name: "AES-GCM", iv };
  const sealed = await crypto.subtle.encrypt(
    algorithm,
    await sealingKey(config),
    new TextEncoder().encode(text),
  );
  return base64url.encode(new Uint8Array([...iv, ...new Uint8Array(sealed)]));
}

async function unseal(config: Config, sealed: string): Promise<z.infer<typeof sealedSchema> | null> {
  const bytes = base64url.decode(sealed);
  const algorithm = { name: "AES-GCM", iv: bytes.subarray(0, IV_BYTES) };
  try {
    const text = await crypto.subtle.decrypt(algorithm, await sealingKey(config), bytes.subarray(IV_BYTES));
    return sealedSchema.parse(JSON.parse(new TextDecoder().decode(text)));
  } catch {
    return null;
  }
}
