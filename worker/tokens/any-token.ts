/** A token of either kind, where RFC 7009 and RFC 7662 take both. */
import type { AccessClaims, RefreshClaims } from "../../schema/claims.ts";
import type { NumericDate } from "../../schema/time.ts";
import type { Bearer } from "../../schema/user-authority.ts";
import type { Service } from "../context.ts";
import { verifyAccessToken } from "./access-token.ts";
import { verifyRefreshToken } from "./refresh-token.ts";

export type AnyToken = { kind: "access"; claims: AccessClaims } | { kind: "refresh"; claims: RefreshClaims };

/**
 * An authentic, unexpired token of either kind, or null. A token says itself which one it is, so
 * that `token_type_hint` is not needed (RFC 7009 §2.1, RFC 7662 §2.1 let it be ignored).
 */
export async function verifyAnyToken(
  service: Service,
  token: string,
  now: NumericDate,
): Promise<AnyToken | null> {
  const access = await verifyAccessToken(service, token, now);
  if (access !== null) return { kind: "access", claims: access };
  const refresh = await verifyRefreshToken(service, token, now);
  return refresh === null ? null : { kind: "refresh", claims: refresh };
}

/** The session that the token speaks for, as its user's object wants to hear of it. */
export function sessionOf(token: AnyToken, revokedBefore: NumericDate): Bearer {
  const { sid } = token.claims;
  return { sid, ep: token.kind === "access" ? token.claims.ep : null, revokedBefore };
}
