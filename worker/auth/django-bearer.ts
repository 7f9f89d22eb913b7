/**
 * Who is asking, by what Django gave them: a simplejwt access token until it expires, or, where the
 * operator wants it, a Django session. Only for routes that no session of ours is needed for.
 */
import { getCookie } from "hono/cookie";
import type { AccessClaims } from "../../schema/claims.ts";
import type { SessionId, TokenId } from "../../schema/ids.ts";
import { type LimitRule, RESERVATION_MS } from "../../schema/limits.ts";
import { isFresh, type NumericDate } from "../../schema/time.ts";
import type { Bearer, DjangoLeaseAnswer } from "../../schema/user-authority.ts";
import { type UserRow, userState } from "../../schema/users.ts";
import { reach, userAuthority } from "../authorities.ts";
import { type AppContext, readClockMs, type Service, serviceOf } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { requireAllowedOrigin } from "../http/cookies.ts";
import { Refusal } from "../http/problems.ts";
import { findSessionUser, findTokenUser, legacyOf } from "../legacy.ts";
import { verifyDjangoToken } from "../tokens/django-token.ts";
import { knownUser } from "../user-cache.ts";
import { bearerFrom, type TierVerdict } from "./tiers.ts";

/** No family has this id: what asks a user's object about it is answered that it has ended. */
const NO_ID = "A".repeat(22);
const REVOKED: TierVerdict = { kind: "revoked" };

/** The claims that a simplejwt access token stands for, or null. One D1 query if it is authentic. */
export async function djangoTokenClaims(c: AppContext, token: string): Promise<AccessClaims | null> {
  const legacy = legacyOf(c);
  const said = legacy === null ? null : await verifyDjangoToken(legacy, token, "access", c.get("facts").now);
  if (said === null) return null;
  const row = await findTokenUser(c.env.DB, said);
  return row === null ? null : claimsOf(serviceOf(c), row, said.iat, said.exp);
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
  if (found === null || found.isExchanged) return null; // the pair stands for it, and ends with a logout
  return claimsOf(serviceOf(c), found.row, found.savedAt, found.expiresAt);
}

/**
 * The session that asks, for its user's object to confirm; or null where it is what Django gave, and
 * the object has confirmed just now that it is good. Throws a `Refusal` if it is not.
 */
export async function askingSession(c: AppContext, claims: AccessClaims): Promise<Bearer | null> {
  if (!isDjangos(claims)) return bearerFrom(claims, c.env, c.executionCtx);
  const { kind } = await checkDjangos(c, claims, "confirmed");
  if (kind === "revoked") throw new Refusal("access_token_revoked");
  return null;
}

/** True for claims that stand for what Django gave: their `sid` is no session's. */
export function isDjangos({ sid }: Pick<AccessClaims, "sid">): boolean {
  return sid === NO_ID;
}

/**
 * `leased`, for what Django gave: what the user's object said at most five seconds ago, and at once
 * after this isolate heard that the epoch moved. The same reservations pay. With the object down it
 * is an outage: KV forgets an end after minutes, and Django's tokens live for years. `confirmed`: the
 * object is asked about this very request, and nothing is charged.
 */
export async function checkDjangos(
  c: AppContext,
  { user_id, iat }: Pick<AccessClaims, "user_id" | "iat">,
  tier: "leased" | "confirmed" = "leased",
): Promise<TierVerdict> {
  const era = await revokedBefore(c.env, c.executionCtx);
  const known = knownUser(user_id);
  if (iat < era || (known.django !== null && iat <= known.django.endedAt)) return REVOKED;
  const nowMs = readClockMs();
  const epoch = known.denial?.epoch ?? 0;
  const isPaid = tier === "confirmed" || known.pool.take(nowMs); // the request that is confirmed was charged
  const isKnown =
    tier === "leased" &&
    known.django !== null &&
    epoch <= known.django.epoch &&
    isFresh(known.django.leasedAtMs, nowMs, RESERVATION_MS);
  if (isKnown && isPaid) return { kind: "good", budget: known.pool.budget(nowMs), isBlind: false };

  const rule: LimitRule = { name: "user", ...serviceOf(c).config.rates.user };
  const answers: DjangoLeaseAnswer[] = [];
  const isAdmitted = await known.pool.refill(rule, nowMs, isPaid, async (wish) => {
    const command = { ...wish, revokedBefore: era };
    const object = userAuthority(c.env, user_id);
    const answer = await reach("user_authority", () => object.leaseToDjango(command));
    answers.push(answer);
    return answer.kind === "leased" ? answer.reservation : null;
  });
  const [answer] = answers;
  if (answer?.kind !== "leased") return REVOKED;
  const endedAt = Math.max(known.django?.endedAt ?? 0, answer.endedAt);
  known.django = { endedAt, epoch: Math.max(epoch, answer.epoch), leasedAtMs: nowMs };
  if (iat <= endedAt) return REVOKED;
  if (!isAdmitted) return { kind: "limited", budget: answer.reservation.budget };
  return { kind: "good", budget: known.pool.budget(nowMs), isBlind: false };
}

function claimsOf(
  { issuer, audience }: Service,
  row: UserRow,
  iat: NumericDate,
  exp: NumericDate,
): AccessClaims {
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
