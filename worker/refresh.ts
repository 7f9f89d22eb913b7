/**
 * Presenting a refresh token (RFC 6749 §6, contract §5), the same for every route that takes one:
 * verified here, decided in its user's object.
 */
import type { SessionId } from "../schema/ids.ts";
import type { RefreshAnswer } from "../schema/user-authority.ts";
import { tellBadToken } from "./abuse.ts";
import { tell } from "./audit.ts";
import { reach, userAuthority } from "./authorities.ts";
import { type AppContext, serviceOf } from "./context.ts";
import { newTokenId } from "./entropy.ts";
import { revokedBefore } from "./era.ts";
import { signingKey } from "./tokens/keyring.ts";
import { clientKey } from "./tokens/refresh-key.ts";
import { verifyRefreshToken } from "./tokens/refresh-token.ts";
import { noteDenial } from "./user-cache.ts";

/** Presentations that this isolate is waiting for, by family: what a verdict on reuse wants to know. */
const inFlight = new Map<SessionId, number>();

/** Verifies a refresh token here and lets its user's object decide. A bad one reaches no object (REF-14). */
export async function presentRefreshToken(
  c: AppContext,
  token: string,
): Promise<RefreshAnswer | { kind: "invalid" }> {
  const service = serviceOf(c);
  const { now, client, requestId } = c.get("facts");
  const [claims, clientHash] = await Promise.all([
    verifyRefreshToken(service, token, now),
    clientKey(service.config, client),
  ]);
  if (claims === null) {
    tell(c, { type: "refresh_denied", reason: "invalid" });
    await tellBadToken(c, token);
    return { kind: "invalid" };
  }

  // Before the family moves: with no key to sign by, its successor could not be handed over.
  await signingKey(service.config, now);
  const { sid } = claims;
  inFlight.set(sid, (inFlight.get(sid) ?? 0) + 1);
  try {
    const command = {
      sid,
      presented: claims.token,
      successor: newTokenId(),
      clientKey: clientHash,
      client,
      requestId,
      revokedBefore: await revokedBefore(c.env, c.executionCtx),
      inFlight: inFlight.get(sid) ?? 1,
    };
    const answer = await reach("user_authority", () => userAuthority(c.env, claims.user_id).refresh(command));
    const about = { userId: claims.user_id, sid };
    if (answer.kind === "denied") {
      noteDenial(claims.user_id, answer.denial);
      tell(c, { type: "refresh_denied", ...about, reason: answer.reason });
      return answer;
    }
    // Everyone may have been revoked while the object was being asked: see era.ts.
    const isOver = answer.grant.authTime < (await revokedBefore(c.env, c.executionCtx));
    if (isOver) {
      tell(c, { type: "refresh_denied", ...about, reason: "revoked" });
      return { kind: "denied", reason: "revoked", denial: null };
    }
    tell(c, { type: "token_refreshed", ...about, actor: `user:${claims.user_id}`, reason: answer.kind });
    return answer;
  } finally {
    const left = (inFlight.get(sid) ?? 1) - 1;
    if (left === 0) inFlight.delete(sid);
    else inFlight.set(sid, left);
  }
}
