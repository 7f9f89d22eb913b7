/**
 * Clients that an account knows: a signed token, set at a successful login, that says so. It
 * opens nothing. Its holder's wrong passwords are counted apart, so that a stranger's guesses do
 * not lock the owner out (contract §2). It is as old as the password: who knew an earlier one is a
 * stranger again.
 */
import { SignJWT } from "jose";
import { asUserId, type TokenId, type UserId } from "../../schema/ids.ts";
import type { Track } from "../../schema/lockout.ts";
import type { UserState } from "../../schema/user-authority.ts";
import type { UserRow } from "../../schema/users.ts";
import { type AppContext, type Service, serviceOf } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { cookieToken, setDeviceCookie } from "../http/cookies.ts";
import { verifyOwnJwt } from "../tokens/own-jwt.ts";
import { refreshKey } from "../tokens/refresh-key.ts";
import { bearerToken } from "./bearer-token.ts";

const ALGORITHM = "HS256";
const TYP = "device+jwt";
/** Renewed at every login; half a year without one, and the client is a stranger again. */
export const DEVICE_TTL_SECONDS = 15_552_000;

/** `version`: the user's, when this client was last made known. */
export type KnownDevice = { userId: UserId; deviceId: string; version: number };

/** The device that a request shows, in `X-Device-Token` or the cookie, or null. */
export async function deviceOf(c: AppContext): Promise<KnownDevice | null> {
  const token = c.req.header("X-Device-Token") ?? cookieToken(c, "device");
  if (token === null) return null;
  const service = serviceOf(c);
  const key = await refreshKey(service.config);
  const own = { typ: TYP, algorithm: ALGORITHM, key, now: c.get("facts").now };
  const payload = await verifyOwnJwt(service, token, own);
  const userId = asUserId(Number(payload?.sub));
  if (userId === null || payload?.jti === undefined) return null;
  const version = typeof payload.user_version === "number" ? payload.user_version : 0;
  return { userId, deviceId: payload.jti, version };
}

/** Who a request's guesses at this user are counted with; null: at a name that nobody has. */
export function trackOf(device: KnownDevice | null, user: UserRow | null): Track {
  const isKnown = device !== null && device.userId === user?.id && device.version >= user.password_version;
  return isKnown ? `device:${device.deviceId}` : "strangers";
}

/** The token that makes this client known to the user: the same device if it is known already. */
export async function signDeviceToken(
  service: Service,
  device: KnownDevice | null,
  user: Pick<UserState, "id" | "version">,
  now: number,
): Promise<string> {
  const known: string | null = device !== null && device.userId === user.id ? device.deviceId : null;
  const deviceId: string | TokenId = known ?? newTokenId();
  return new SignJWT({
    iss: service.issuer,
    aud: service.audience,
    sub: String(user.id),
    jti: deviceId,
    user_version: user.version,
    iat: now,
    exp: now + DEVICE_TTL_SECONDS,
  })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYP })
    .sign(await refreshKey(service.config));
}

/** Keeps the client known that has just changed the password: by a cookie where it was authorised by one, else by the answer. */
export async function staysKnown(c: AppContext, user: UserState): Promise<{ device_token?: string }> {
  const token = await signDeviceToken(serviceOf(c), await deviceOf(c), user, c.get("facts").now);
  if (bearerToken(c.req.header("Authorization")) !== null) return { device_token: token };
  setDeviceCookie(c, token, DEVICE_TTL_SECONDS);
  return {};
}
