/** The KV cache of revocations: one value per user, written whole, by that user's outbox alone. */
import type { UserId } from "../../schema/ids.ts";
import { type Denial, denialTtlSeconds, revocationKey } from "../../schema/revocation.ts";

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
