/** The KV cache of revocations: one value per user, written whole, by that user's outbox alone. */
import type { UserId } from "../../schema/ids.ts";
import {
  type Denial,
  denialTtlSeconds,
  GLOBAL_REVOCATION_KEY,
  revocationKey,
} from "../../schema/revocation.ts";
import type { NumericDate } from "../../schema/time.ts";

/** Writes the user's denial. Repeating it is harmless: the value only ever grows stricter. */
export async function writeDenial(
  kv: KVNamespace,
  userId: UserId,
  denial: Denial,
  accessTokenTtlSeconds: number,
): Promise<void> {
  await kv.put(revocationKey(userId), JSON.stringify(denial), {
    expirationTtl: denialTtlSeconds(accessTokenTtlSeconds),
  });
}

/** Writes from when on every older token is dead. Kept for good: it is one key, and backups forget. */
export async function writeGlobalDenial(kv: KVNamespace, before: NumericDate): Promise<void> {
  await kv.put(GLOBAL_REVOCATION_KEY, JSON.stringify({ before }));
}
