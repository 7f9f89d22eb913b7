/** Refresh tokens: JWTs that only this service reads, signed with a key that only the edge holds. */
import { SignJWT } from "jose";
import {
  formatRefreshJti,
  parseRefreshJti,
  REFRESH_TYP,
  type RefreshClaims,
  refreshClaims,
} from "../../schema/claims.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { SessionGrant } from "../../schema/user-authority.ts";
import type { Service } from "../context.ts";
import { verifyOwnJwt } from "./own-jwt.ts";
import { refreshKey } from "./refresh-key.ts";

const ALGORITHM = "HS256";

/** Signs the family's newest refresh token. The same grant gives the same token, byte for byte. */
export async function signRefreshToken(service: Service, grant: SessionGrant): Promise<string> {
  const { user, sid, refresh } = grant;
  const claims = {
    iss: service.issuer,
    aud: service.audience,
    sub: String(user.id),
    user_id: user.id,
    sid,
    jti: formatRefreshJti(refresh),
    iat: refresh.iat,
    exp: refresh.exp,
    token_type: "refresh",
  };
  const key = await refreshKey(service.config);
  return new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, typ: REFRESH_TYP }).sign(key);
}

/** The claims of an authentic, unexpired refresh token, or null. Its family decides the rest (REF-14). */
export async function verifyRefreshToken(
  service: Service,
  token: string,
  now: NumericDate,
): Promise<RefreshClaims | null> {
  const key = await refreshKey(service.config);
  const payload = await verifyOwnJwt(service, token, { typ: REFRESH_TYP, algorithm: ALGORITHM, key, now });
  const claims = refreshClaims.safeParse(payload);
  if (!claims.success || claims.data.sub !== String(claims.data.user_id)) return null;
  const name = parseRefreshJti(claims.data.jti);
  return name === null ? null : { ...claims.data, token: name };
}
