/**
 * Who is asking, by what Django gave them: a simplejwt access token until it expires, or, where the
 * operator wants it, a Django session. Only for routes that no session of ours is needed for.
 */
import { getCookie } from "hono/cookie";
import type { AccessClaims } from "../../schema/claims.ts";
import type { SessionId, TokenId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";
import { type UserRow, userState } from "../../schema/users.ts";
import { type AppContext, serviceOf } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { requireAllowedOrigin } from "../http/cookies.ts";
import { findSessionUser, findTokenUser, legacyOf } from "../legacy.ts";
import { verifyDjangoToken } from "../tokens/django-token.ts";

/** No family has this id: what asks a user's object about it is answered that it has ended. */
const NO_ID = "A".repeat(22);

/** The claims that a simplejwt access token stands for, or null. One D1 query if it is authentic. */
export async function djangoTokenClaims(c: AppContext, token: string): Promise<AccessClaims | null> {
  const legacy = legacyOf(c);
  const said = legacy === null ? null : await verifyDjangoToken(legacy, token, "access", c.get("facts").now);
  if (said === null) return null;
  const row = await findTokenUser(c.env.DB, said);
  return row === null ? null : claimsOf(c, row, said.iat, said.exp);
}

/** The claims that a request's Django session stands for; null also where sessions are only exchanged. */
export async function djangoSessionClaims(c: AppContext): Promise<AccessClaims | null> {
  const legacy = legacyOf(c);
  if (legacy?.sessions !== "accept") return null;
  const inCookie = getCookie(c, "sessionid");
  const key = c.req.header("X-Django-Session") ?? inCookie;
  if (key === undefined) return null;
  if (key === inCookie) requireAllowedOrigin(c);
  const found = await findSessionUser(c.env.DB, legacy, key, c.get("facts").now);
  return found === null ? null : claimsOf(c, found.row, found.savedAt, found.expiresAt);
}

/** What Django gave before everyone was revoked is dead as well. */
async function claimsOf(
  c: AppContext,
  row: UserRow,
  iat: NumericDate,
  exp: NumericDate,
): Promise<AccessClaims | null> {
  if (iat < (await revokedBefore(c.env, c.executionCtx))) return null;
  const { issuer, audience } = serviceOf(c);
  const { id, username, email, role } = userState(row);
  return {
    iss: issuer,
    aud: audience,
    sub: String(id),
    user_id: id,
    username,
    ...(email === null ? {} : { email }),
    role,
    sid: NO_ID as SessionId,
    jti: NO_ID as TokenId,
    iat,
    exp,
    auth_time: iat,
    amr: ["pwd"],
    ep: 0,
    token_type: "access",
  };
}
