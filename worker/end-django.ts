/**
 * Ending sessions at the wish of someone who shows what Django gave them. That is of no session here, so
 * it cannot end by itself: it ends with everything that the user has.
 */
import type { UserId } from "../schema/ids.ts";
import type { EndReason, RevokeAnswer } from "../schema/user-authority.ts";
import { userState } from "../schema/users.ts";
import { tell } from "./audit.ts";
import { presentedToken } from "./auth/bearer.ts";
import { checkDjangos, djangoSessionClaims, djangoTokenClaims } from "./auth/django-bearer.ts";
import { reach, userAuthority } from "./authorities.ts";
import type { AppContext } from "./context.ts";
import { revokedBefore } from "./era.ts";
import { Refusal } from "./http/problems.ts";
import { findTokenUser, legacyOf } from "./legacy.ts";
import { verifyDjangoToken } from "./tokens/django-token.ts";
import { noteDenial } from "./user-cache.ts";
import { findUser } from "./users.ts";

type Ended = Extract<RevokeAnswer, { kind: "revoked" }>;

/**
 * Ends all of the user's sessions, and with them all that Django gave until now. The user is told
 * along, since their object may never have heard of them. Null for a user who is gone.
 */
export async function endAllAndDjangos(
  c: AppContext,
  userId: UserId,
  reason: EndReason,
): Promise<Ended | null> {
  const row = await findUser(c.env.DB, userId);
  if (row === null) return null;
  const { client, requestId } = c.get("facts");
  const command = {
    ...{ by: null, scope: { kind: "all" as const }, reason, note: null, client, requestId },
    revokedBefore: await revokedBefore(c.env, c.executionCtx),
    user: userState(row),
  };
  const answer = await reach("user_authority", () => userAuthority(c.env, userId).revoke(command));
  if (answer.kind === "denied") return null;
  noteDenial(userId, answer.denial);
  return answer;
}

/** A logout by what Django gave; null if nothing good of it is shown. Throws a `Refusal` of what it cannot end. */
export async function logOutOfDjango(
  c: AppContext,
  refreshToken: string | null,
  scope: "global" | "local" | "others" | null,
): Promise<Ended | null> {
  const userId = (await userByBearer(c)) ?? (await userByRefresh(c, refreshToken));
  if (userId === null) return null;
  if (scope !== null && scope !== "global") {
    const detail = "What Django gave has no session here: only the scope global ends it";
    throw new Refusal("invalid_request", { detail });
  }
  const ended = await endAllAndDjangos(c, userId, "logout");
  if (ended !== null)
    tell(c, { type: "logged_out", userId, actor: `user:${userId}`, sid: null, reason: "all" });
  return ended;
}

async function userByBearer(c: AppContext): Promise<UserId | null> {
  const token = presentedToken(c);
  const claims = token === null ? await djangoSessionClaims(c) : await djangoTokenClaims(c, token);
  return claims === null ? null : unlessEnded(c, claims.user_id, claims.iat);
}

async function userByRefresh(c: AppContext, token: string | null): Promise<UserId | null> {
  const legacy = legacyOf(c);
  if (legacy === null || token === null) return null;
  const said = await verifyDjangoToken(legacy, token, "refresh", c.get("facts").now);
  if (said === null || (await findTokenUser(c.env.DB, said)) === null) return null;
  return unlessEnded(c, said.userId, said.iat);
}

/** What has ended must not end what came after it. */
async function unlessEnded(c: AppContext, user_id: UserId, iat: number): Promise<UserId | null> {
  const { kind } = await checkDjangos(c, { user_id, iat }, "confirmed");
  return kind === "revoked" ? null : user_id;
}
