/** The one place where a token of ours is verified: strict form first, then every option by name. */
import { errors, type JWTPayload, jwtVerify } from "jose";
import type { NumericDate } from "../../schema/time.ts";
import type { Service } from "../context.ts";
import { isCompactJws } from "./compact.ts";

export type OwnJwt = {
  /** The JOSE `typ`, which keeps the kinds of token apart (RFC 8725 §3.11). */
  typ: string;
  algorithm: string;
  key: CryptoKey;
  now: NumericDate;
};

/**
 * The payload of a token of this kind that we signed, for us, and that has not expired; else null.
 * Its claims are still to be checked one by one. Throws only for a fault that is our own.
 */
export async function verifyOwnJwt(service: Service, token: string, own: OwnJwt): Promise<JWTPayload | null> {
  if (!isCompactJws(token)) return null;
  try {
    const { payload } = await jwtVerify(token, own.key, {
      algorithms: [own.algorithm],
      typ: own.typ,
      issuer: service.issuer,
      audience: service.audience,
      currentDate: new Date(own.now * 1000),
      clockTolerance: 0,
      requiredClaims: ["iss", "aud", "sub", "exp", "iat", "jti"],
    });
    return payload;
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
