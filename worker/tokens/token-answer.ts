/** The answer of login, register and refresh (contract §4): a session's grant as a token pair. */
import { z } from "@hono/zod-openapi";
import { ROLES } from "../../schema/claims.ts";
import type { SessionGrant } from "../../schema/user-authority.ts";
import type { Service } from "../context.ts";
import { signAccessToken } from "./access-token.ts";
import { signRefreshToken } from "./refresh-token.ts";

export const tokenAnswerSchema = z
  .object({
    access_token: z.string(),
    refresh_token: z.string(),
    token_type: z.literal("Bearer"),
    expires_in: z.int(),
    refresh_expires_in: z.int(),
    session_id: z.string(),
    user: z.object({
      id: z.int(),
      username: z.string(),
      email: z.string().nullable(),
      role: z.enum(ROLES),
    }),
    message: z.string(),
  })
  .openapi("TokenAnswer");

/** Signs both tokens. `expires_in` and `refresh_expires_in` are seconds from now. Two signatures. */
export async function tokenAnswer(
  service: Service,
  grant: SessionGrant,
  message: string,
): Promise<z.infer<typeof tokenAnswerSchema>> {
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
