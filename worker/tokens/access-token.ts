/** Access tokens (RFC 9068): made from a session's grant, verified with no look-up. */
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from "jose";
import { ACCESS_TYP, type AccessClaims, accessClaims, lifetimeSeconds } from "../../schema/claims.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { SessionGrant } from "../../schema/user-authority.ts";
import type { Service } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { isCompactJws } from "./compact.ts";
import { signingKey, verificationKey } from "./keyring.ts";

/** Another location's clock may be ahead by this much (TOK-03 allows ten seconds). */
const CLOCK_SKEW_SECONDS_MAX = 10;

/** Signs an access token that never outlives its session. `exp` is a NumericDate. */
export async function signAccessToken(
  service: Service,
  grant: SessionGrant,
): Promise<{ token: string; exp: NumericDate }> {
  const { user, now } = grant;
  const exp = Math.min(now + service.config.accessTokenTtlSeconds, grant.absoluteExpiresAt);
  const { kid, algorithm, key } = await signingKey(service.config, now);
  const claims: AccessClaims = {
    iss: service.issuer,
    aud: service.audience,
    sub: String(user.id),
    user_id: user.id,
    username: user.username,
    ...(user.email === null ? {} : { email: user.email }),
    role: user.role,
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
  if (!isCompactJws(token)) return null;
  try {
    const { kid } = decodeProtectedHeader(token);
    const ringKey = await verificationKey(service.config, kid, now);
    if (ringKey === null) return null;
    const { payload } = await jwtVerify(token, ringKey.verifyKey, {
      algorithms: [ringKey.algorithm],
      typ: ACCESS_TYP,
      issuer: service.issuer,
      audience: service.audience,
      currentDate: new Date(now * 1000),
      clockTolerance: 0,
      requiredClaims: ["iss", "aud", "sub", "exp", "iat", "jti", "sid"],
    });
    const claims = accessClaims.safeParse(payload);
    return claims.success && isConsistent(claims.data, service, now) ? claims.data : null;
  } catch (error) {
    if (isTokenFault(error)) return null;
    throw error;
  }
}

/** True for what a bad token causes; anything else is our own fault and must not look like one. */
export function isTokenFault(error: unknown): boolean {
  // jose says TypeError for a header that is no JSON object, which only a token can cause here.
  return error instanceof errors.JOSEError || (error instanceof TypeError && /header/i.test(error.message));
}

function isConsistent(claims: AccessClaims, service: Service, now: NumericDate): boolean {
  return (
    claims.sub === String(claims.user_id) &&
    claims.iat <= now + CLOCK_SKEW_SECONDS_MAX &&
    lifetimeSeconds(claims) <= service.config.accessTokenTtlSeconds
  );
}
