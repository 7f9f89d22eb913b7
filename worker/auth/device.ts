/**
 * Clients that an account knows: a signed token, set at a successful login, that says so. It
 * opens nothing. Its holder's wrong passwords are counted apart, so that a stranger's guesses do
 * not lock the owner out (contract §2).
 */
import { SignJWT } from "jose";
import { asUserId, type TokenId, type UserId } from "../../schema/ids.ts";
import type { Track } from "../../schema/lockout.ts";
import { type AppContext, type Service, serviceOf } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { cookieToken } from "../http/cookies.ts";
import { verifyOwnJwt } from "../tokens/own-jwt.ts";
import { refreshKey } from "../tokens/refresh-key.ts";

const ALGORITHM = "HS256";
const TYP = "device+jwt";
/** Renewed at every login; half a year without one, and the client is a stranger again. */
export const DEVICE_TTL_SECONDS = 15_552_000;

export type KnownDevice = { userId: UserId; deviceId: string };

/** The device that a request shows, in `X-Device-Token` or the cookie, or null. */
export async function deviceOf(c: AppContext): Promise<KnownDevice | null> {
  const token = c.req.header("X-Device-Token") ?? cookieToken(c, "device");
  if (token === null) return null;
  const service = serviceOf(c);
  const key = await refreshKey(service.config);
  const own = { typ: TYP, algorithm: ALGORITHM, key, now: c.get("facts").now };
  const payload = await verifyOwnJwt(service, token, own);
  const userId = asUserId(Number(payload?.sub));
  return userId === null || payload?.jti === undefined ? null : { userId, deviceId: payload.jti };
}

/** Who a request's guesses at this user are counted with. */
export function trackOf(device: KnownDevice | null, userId: number | null): Track {
  return device !== null && device.userId === userId ? `device:${device.deviceId}` : "strangers";
}

/** The token that makes this client known to the user: the same device if it is known already. */
export async function signDeviceToken(
  service: Service,
  device: KnownDevice | null,
  userId: UserId,
  now: number,
): Promise<string> {
  const known: string | null = device !== null && device.userId === userId ? device.deviceId : null;
  const deviceId: string | TokenId = known ?? newTokenId();
  return new SignJWT({
    iss: service.issuer,
    aud: service.audience,
    sub: String(userId),
    jti: deviceId,
    iat: now,
    exp: now + DEVICE_TTL_SECONDS,
  })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYP })
    .sign(await refreshKey(service.config));
}
