/** Whether a token was ever signed by us, whatever else is wrong with it. */
import { compactVerify, decodeProtectedHeader } from "jose";
import type { Config } from "../../schema/config.ts";
import type { NumericDate } from "../../schema/time.ts";
import { isCompactJws } from "./compact.ts";
import { ringKeyOf } from "./keyring.ts";
import { isTokenFault } from "./own-jwt.ts";
import { refreshKey } from "./refresh-key.ts";

/** True for a token with a good signature of ours: also expired, revoked, or of another kind. */
export async function isAuthentic(config: Config, token: string, now: NumericDate): Promise<boolean> {
  if (!isCompactJws(token)) return false;
  try {
    const ring = await ringKeyOf(config, decodeProtectedHeader(token).kid, now);
    const key = ring?.verifyKey ?? (await refreshKey(config));
    await compactVerify(token, key, { algorithms: [ring?.algorithm ?? "HS256"] });
    return true;
  } catch (error) {
    if (isTokenFault(error)) return false;
    throw error;
  }
}
