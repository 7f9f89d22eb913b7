/** The answer of login, register and refresh (contract §4): a session's grant as a token pair. */
import { z } from "@hono/zod-openapi";
import type { SessionGrant } from "../../schema/user-authority.ts";
import { DEVICE_TTL_SECONDS } from "../auth/device.ts";
import { type AppContext, type Issuer, serviceOf } from "../context.ts";
import { setDeviceCookie, setTokenCookies } from "../http/cookies.ts";
import { withOldNames } from "../http/simplejwt.ts";
import { signAccessToken } from "./access-token.ts";
import { signRefreshToken } from "./refresh-token.ts";

export const tokenAnswerSchema = z
  .object({
    /** Both absent when they are in cookies. */
    access_token: z.string().optional(),
    refresh_token: z.string().optional(),
    /** Both under their old names too, for clients written for Django. */
    access: z.string().optional(),
    refresh: z.string().optional(),
    /** After a login or a registration: what makes this client known to the account, for `X-Device-Token`. */
    device_token: z.string().optional(),
    token_type: z.literal("Bearer"),
    expires_in: z.int(),
    refresh_expires_in: z.int(),
    session_id: z.string(),
    user: z.object({
      id: z.int(),
      username: z.string(),
      email: z.string().nullable(),
      role: z.string(),
    }),
    message: z.string(),
  })
  .openapi("TokenAnswer");

/** Where a client wants its tokens: in the answer's body, or in cookies that no script can read. */
export const transport = z.enum(["bearer", "cookie"]).optional();

type TokenAnswer = z.infer<typeof tokenAnswerSchema>;
type TokenPair = TokenAnswer & { access_token: string; refresh_token: string };

/** The answer as its client wants it: a token is never both in a cookie and in a body (HTTP-07). */
export function handOver(c: AppContext, pair: TokenPair, by: z.infer<typeof transport>): TokenAnswer {
  if (by !== "cookie") return serviceOf(c).config.compatSimplejwt ? withOldNames(pair) : pair;
  const { access_token: _access, refresh_token: _refresh, device_token, ...answer } = pair;
  setTokenCookies(c, pair);
  if (device_token !== undefined) setDeviceCookie(c, device_token, DEVICE_TTL_SECONDS);
  return answer;
}

/** Signs both tokens. `expires_in` and `refresh_expires_in` are seconds from now. Two signatures. */
export async function tokenAnswer(service: Issuer, grant: SessionGrant, message: string): Promise<TokenPair> {
  const [access, refreshToken] = await Promise.all([
    signAccessToken(service, grant),
    signRefreshToken(service, grant),
  ]);
  const { id, username, email, role } = grant.user;
  return {
    access_token: access.token,
    refresh_token: refreshToken,
    token_type: "Bearer",
    expires_in: access.exp - grant.now,
    refresh_expires_in: grant.refresh.exp - grant.now,
    session_id: grant.sid,
    user: { id, username, email, role },
    message,
  };
}
