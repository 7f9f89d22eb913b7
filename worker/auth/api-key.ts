/** Who is asking, by API key in the `Authorization` header. Never in a cookie. */
import { API_KEY_PREFIX } from "../../schema/api-keys.ts";
import type { UserId } from "../../schema/ids.ts";
import { isAllowed } from "../../schema/permissions.ts";
import { tellUnknown } from "../abuse.ts";
import { checkKey, noteUse } from "../api-keys.ts";
import type { AppContext } from "../context.ts";
import { admitApiKey } from "../http/limits.ts";
import { Refusal } from "../http/problems.ts";
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
  const verdict = await checkKey(c.env.DB, presented, now);
  if (verdict.kind !== "good") {
    if (verdict.kind === "forged") await tellUnknown(c); // an unknown one may have been revoked
    throw new Refusal("invalid_access_token");
  }
  const { key } = verdict;
  await admitApiKey(c, key.row.key_id, key.userId);
  if (permission === undefined || !isAllowed(key.permissions, permission)) {
    onDenied?.(key.row.key_id, key.userId);
    throw new Refusal("permission_denied");
  }
  noteUse({ env: c.env, ctx: c.executionCtx }, key, now);
  return key.userId;
}
