/**
 * What a login with a second factor answers to its right password: five minutes to bring a code.
 * It opens nothing by itself, no other token is one (its `typ`), and it is good for one session. It
 * dies with any change of the user, a new password among them: it holds the user's version.
 */
import { SignJWT } from "jose";
import { z } from "zod";
import { asTokenId, asUserId, type TokenId, type UserId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { Service } from "../context.ts";
import { newTokenId } from "../entropy.ts";
import { verifyOwnJwt } from "./own-jwt.ts";
import { refreshKey } from "./refresh-key.ts";

const ALGORITHM = "HS256";
const TYP = "mfa+jwt";
const MFA_TOKEN_TTL_SECONDS = 300;

/** What the first step said about the session that the second one opens. */
export type Wishes = { transport: "bearer" | "cookie"; deviceName: string | null };
export type MfaToken = {
  id: TokenId;
  iat: NumericDate;
  exp: NumericDate;
  userId: UserId;
  version: number;
  wishes: Wishes;
};

const claimsSchema = z.object({
  sub: z.string(),
  jti: z.string(),
  iat: z.int(),
  exp: z.int(),
  user_version: z.int(),
  transport: z.enum(["bearer", "cookie"]),
  device_name: z.string().nullable(),
  token_type: z.literal("mfa"),
});

export async function signMfaToken(
  service: Service,
  user: { id: UserId; version: number },
  wishes: Wishes,
  now: NumericDate,
): Promise<string> {
  const claims: z.infer<typeof claimsSchema> & { iss: string; aud: string } = {
    iss: service.issuer,
    aud: service.audience,
    sub: String(user.id),
    jti: newTokenId(),
    iat: now,
    exp: now + MFA_TOKEN_TTL_SECONDS,
    user_version: user.version,
    transport: wishes.transport,
    device_name: wishes.deviceName,
    token_type: "mfa",
  };
  const key = await refreshKey(service.config);
  return new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, typ: TYP }).sign(key);
}

/** What an authentic, unexpired one says, or null. Whether it was used, the user's object knows. */
export async function verifyMfaToken(
  service: Service,
  token: string,
  now: NumericDate,
): Promise<MfaToken | null> {
  const key = await refreshKey(service.config);
  const payload = await verifyOwnJwt(service, token, { typ: TYP, algorithm: ALGORITHM, key, now });
  const claims = claimsSchema.safeParse(payload);
  if (!claims.success) return null;
  const { sub, jti, iat, exp, user_version, transport, device_name } = claims.data;
  const userId = asUserId(Number(sub));
  const id = asTokenId(jti);
  if (userId === null || id === null) return null;
  return { id, iat, exp, userId, version: user_version, wishes: { transport, deviceName: device_name } };
}
