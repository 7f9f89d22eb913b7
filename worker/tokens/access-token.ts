/** Access tokens (RFC 9068): made from a session's grant, verified with no look-up. */
import { decodeProtectedHeader, SignJWT } from "jose";
import { ACCESS_TYP, type AccessClaims, accessClaims, lifetimeSeconds } from "../../schema/claims.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { SessionGrant } from "../../schema/user-authority.ts";
import type { Issuer, Service } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { roleClaims } from "../roles.ts";
import { isCompactJws } from "./compact.ts";
import { signingKey, verificationKey } from "./keyring.ts";
import { isTokenFault, verifyOwnJwt } from "./own-jwt.ts";

/** Another location's clock may be ahead by this much (TOK-03 allows ten seconds). */
const CLOCK_SKEW_SECONDS_MAX = 10;

/** Signs an access token that never outlives its session. `exp` is a NumericDate. */
export async function signAccessToken(
  service: Issuer,
  grant: SessionGrant,
): Promise<{ token: string; exp: NumericDate }> {
  const { user, now } = grant;
  const exp = Math.min(now + service.config.accessTokenTtlSeconds, grant.absoluteExpiresAt);
  const { kid, algorithm, key } = await signingKey(service.config, now);
  const ofRole = await roleClaims(service.env, service.ctx, user.role);
  const claims: AccessClaims = {
    iss: service.issuer,
    aud: service.audience,
    sub: String(user.id),
    user_id: user.id,
    username: user.username,
    ...(user.email === null ? {} : { email: user.email }),
    role: user.role,
    ...ofRole,
    sid: grant.sid,
    jti: newTokenId(),
    iat: now,
    exp,
    auth_time: grant.authTime,
    amr: grant.amr,
    ep: grant.epoch,
    token_type: "access",
  };
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, kid, typ: ACCESS_TYP })
    .sign(key);
  return { token, exp };
}

/**
 * The claims of a good access token, or null. Checks form, key, algorithm, `typ`, `iss`, `aud`,
 * time and every claim's type (RFC 9068 §4, RFC 8725); says nothing about revocation.
 */
export async function verifyAccessToken(
  service: Service,
  token: string,
  now: NumericDate,
): Promise<AccessClaims | null> {
  const ringKey = await verificationKey(service.config, kidOf(token), now);
  if (ringKey === null) return null;
  const { verifyKey: key, algorithm } = ringKey;
  const payload = await verifyOwnJwt(service, token, { typ: ACCESS_TYP, algorithm, key, now });
  const claims = accessClaims.safeParse(payload);
  return claims.success && isConsistent(claims.data, service, now) ? claims.data : null;
}

/** The key that a token names, if it has the form of one; nothing of it is believed yet. */
function kidOf(token: string): string | undefined {
  try {
    return isCompactJws(token) ? decodeProtectedHeader(token).kid : undefined;
  } catch (error) {
    if (isTokenFault(error)) return undefined;
    throw error;
  }
}

function isConsistent(claims: AccessClaims, service: Service, now: NumericDate): boolean {
  return (
    claims.sub === String(claims.user_id) &&
    claims.iat <= now + CLOCK_SKEW_SECONDS_MAX &&
    lifetimeSeconds(claims) <= service.config.accessTokenTtlSeconds
  );
}
