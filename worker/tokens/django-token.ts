/**
 * simplejwt's tokens, as Django signed them: HS256 with its `SECRET_KEY`. What they say is believed
 * of the user's id, of time and of their own id; nothing else of it reaches anything.
 */
import { compactVerify, jwtVerify } from "jose";
import { z } from "zod";
import { asUserId, type UserId } from "../../schema/ids.ts";
import type { Legacy } from "../../schema/legacy.ts";
import type { NumericDate } from "../../schema/time.ts";
import { isCompactJws } from "./compact.ts";
import { importHmacKey } from "./keyring.ts";
import { isTokenFault } from "./own-jwt.ts";

export type DjangoToken = { userId: UserId; jti: string; iat: NumericDate; exp: NumericDate };

/** The last second that Django's `datetime` can hold: simplejwt itself dies of a later one. */
const NUMERIC_DATE_MAX = 253_402_300_799;
/** An id is a number up to simplejwt 5.4, and text since. */
const DIGITS = /^[1-9][0-9]{0,15}$/;
const JTI_LENGTH_MAX = 255;

const claims = z.object({
  token_type: z.enum(["access", "refresh"]),
  user_id: z.union([z.int(), z.string().regex(DIGITS).transform(Number)]),
  jti: z.string().min(1).max(JTI_LENGTH_MAX),
  iat: z.int().nonnegative(),
  exp: z.int().max(NUMERIC_DATE_MAX),
});

const keys = new WeakMap<Legacy, CryptoKey>();

async function djangoKey(legacy: Legacy): Promise<CryptoKey> {
  const key = keys.get(legacy) ?? (await importHmacKey(legacy.secretKey));
  keys.set(legacy, key);
  return key;
}

/** True for a token that Django signed, also one that has expired: whoever shows it guesses nothing. */
export async function isSignedByDjango(legacy: Legacy, token: string): Promise<boolean> {
  if (!isCompactJws(token)) return false;
  try {
    await compactVerify(token, await djangoKey(legacy), { algorithms: ["HS256"] });
    return true;
  } catch (error) {
    if (isTokenFault(error)) return false;
    throw error;
  }
}

/**
 * What an authentic, unexpired token of this kind says, or null. An access token that a refresh
 * made keeps the refresh token's `iat`, so nothing follows from its age.
 */
export async function verifyDjangoToken(
  legacy: Legacy,
  token: string,
  kind: "access" | "refresh",
  now: NumericDate,
): Promise<DjangoToken | null> {
  if (!isCompactJws(token)) return null;
  try {
    const { payload } = await jwtVerify(token, await djangoKey(legacy), {
      algorithms: ["HS256"],
      typ: "JWT", // ours have other types, should they ever share a key
      currentDate: new Date(now * 1000),
      clockTolerance: 0,
      requiredClaims: ["exp", "iat", "jti", "user_id", "token_type"],
    });
    const said = claims.safeParse(payload);
    if (!said.success || said.data.token_type !== kind || said.data.iat > now) return null;
    const { user_id, jti, iat, exp } = said.data;
    const userId = asUserId(user_id);
    return userId === null ? null : { userId, jti, iat, exp };
  } catch (error) {
    if (isTokenFault(error)) return null;
    throw error;
  }
}
