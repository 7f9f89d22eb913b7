/**
 * What the two kinds of token say (contract §4, RFC 9068, RFC 7519). Both shapes are checked
 * claim by claim after the signature; nothing is cast.
 */
import { z } from "zod";
import { asSessionId, asTokenId, asUserId, type SessionId, type TokenId, type UserId } from "./ids.ts";
import { isRoleName } from "./permissions.ts";
import type { NumericDate } from "./time.ts";

/** JOSE header `typ` of an access token (RFC 9068 §2.1) and of a refresh token (ours alone). */
export const ACCESS_TYP = "at+jwt";
export const REFRESH_TYP = "rt+jwt";

/** A name; what it may do is said by D1's `roles`, and one that is not there may do nothing. */
export type Role = string;

const numericDate = z.int().nonnegative();
const text = z.string().min(1);
const userId = z.number().transform((value, context): UserId => {
  const id = asUserId(value);
  if (id === null) context.addIssue("not a user id");
  return id ?? z.NEVER;
});
const sessionId = z.string().transform((value, context): SessionId => {
  const id = asSessionId(value);
  if (id === null) context.addIssue("not a session id");
  return id ?? z.NEVER;
});
const tokenId = z.string().transform((value, context): TokenId => {
  const id = asTokenId(value);
  if (id === null) context.addIssue("not a token id");
  return id ?? z.NEVER;
});

const common = {
  iss: text,
  aud: text,
  sub: text,
  user_id: userId,
  sid: sessionId,
  iat: numericDate,
  exp: numericDate,
};

/**
 * `ep` is the user's epoch when the token was made: a lower one than today's is a revoked token.
 * `scope` is what the role could do then (RFC 9068 §2.2.3); none where that was nothing, or unknown.
 * `rv` is the version of the role then, as `ep` is of the user; none where that was unknown.
 */
export const accessClaims = z.object({
  ...common,
  jti: tokenId,
  username: text,
  email: text.optional(),
  role: z.string().refine(isRoleName),
  scope: text.optional(),
  auth_time: numericDate,
  amr: z.array(text),
  ep: numericDate,
  rv: z.int().nonnegative().optional(),
  token_type: z.literal("access"),
});
export type AccessClaims = z.infer<typeof accessClaims>;

/**
 * A refresh token's `jti` is `<random>.<generation>`: a family has one line of descent, and the
 * number tells how far behind its newest member a token is without a list of all it ever had.
 */
export const refreshClaims = z.object({ ...common, jti: z.string(), token_type: z.literal("refresh") });
export type RefreshClaims = z.infer<typeof refreshClaims> & { token: RefreshTokenName };

/** The two halves of a refresh token's `jti`. */
export type RefreshTokenName = { tokenId: TokenId; generation: number };

const REFRESH_JTI = /^([A-Za-z0-9_-]{22})\.(0|[1-9][0-9]{0,9})$/;

/** `<random>.<generation>` from its halves. */
export function formatRefreshJti(name: RefreshTokenName): string {
  return `${name.tokenId}.${name.generation}`;
}

/** The halves of a refresh token's `jti`, or null for any other text. */
export function parseRefreshJti(jti: string): RefreshTokenName | null {
  const [, random = "", generation = ""] = REFRESH_JTI.exec(jti) ?? [];
  const tokenId = asTokenId(random);
  return tokenId === null ? null : { tokenId, generation: Number(generation) };
}

/** The longest an access token of this age may live, checked apart from `exp` (TOK-03). */
export function lifetimeSeconds(claims: { iat: NumericDate; exp: NumericDate }): number {
  return claims.exp - claims.iat;
}
