/** Who is asking, by API key in the `Authorization` header. Never in a cookie. */
import { API_KEY_PREFIX, parseApiKey } from "../../schema/api-keys.ts";
import { asUserId, type UserId } from "../../schema/ids.ts";
import { isAllowed, storedPermissions } from "../../schema/permissions.ts";
import { tellUnknown } from "../abuse.ts";
import { digestOf, findUsable, isLastUseOld, recordUse } from "../api-keys.ts";
import type { AppContext } from "../context.ts";
import { admitApiKey } from "../http/limits.ts";
import { Refusal } from "../http/problems.ts";
import { equalBytes } from "../passwords/equal-bytes.ts";
import { bearerToken } from "./bearer-token.ts";

/** What a request presents as an API key, or null if it presents none. */
export function presentedApiKey(c: AppContext): string | null {
  const token = bearerToken(c.req.header("Authorization"));
  return token?.startsWith(API_KEY_PREFIX) ? token : null;
}

/**
 * The owner of a good key that may do this, and whose role may. No permission: no key may. One D1
 * query; a mistyped key costs none. Any bad key is the same 401 (TOK-08).
 */
export async function authenticateApiKey(
  c: AppContext,
  presented: string,
  permission: string | undefined,
  onDenied?: (keyId: string, userId: UserId) => void,
): Promise<UserId> {
  const { now } = c.get("facts");
  const parsed = parseApiKey(presented);
  const key = parsed === null ? null : await findUsable(c.env.DB, parsed.keyId, now);
  const userId = key === null ? null : asUserId(key.user_id);
  if (parsed === null || key === null || userId === null) {
    if (parsed === null) await tellUnknown(c); // one of that form may have been revoked
    throw new Refusal("invalid_access_token");
  }
  const bytes = (text: string) => new TextEncoder().encode(text);
  if (!equalBytes(bytes(await digestOf(parsed.secret)), bytes(key.digest))) {
    await tellUnknown(c);
    throw new Refusal("invalid_access_token");
  }
  await admitApiKey(c, key.key_id);
  const granted = [key.permissions, key.role_permissions ?? "[]"].map(storedPermissions);
  if (permission === undefined || !granted.every((permissions) => isAllowed(permissions, permission))) {
    onDenied?.(key.key_id, userId);
    throw new Refusal("permission_denied");
  }
  if (isLastUseOld(key, now)) {
    c.executionCtx.waitUntil(recordUse(c.env.DB, key.key_id, now).catch(() => undefined));
  }
  return userId;
}
