/**
 * Identifiers that must not be mistaken for one another. A brand costs nothing at run time; it
 * only makes the compiler refuse a `jti` where a `sid` is wanted.
 */
type Branded<Base, Name extends string> = Base & { readonly __brand: Name };

/** A row id of `users`: a positive integer, never reused (also not after a deletion). */
export type UserId = Branded<number, "UserId">;

/** The id of a family (RFC 9068 has no name for it; OpenID Connect calls it `sid`): 128 random bits, base64url. */
export type SessionId = Branded<string, "SessionId">;

/** A `jti` (RFC 7519 §4.1.7): 128 random bits, base64url. */
export type TokenId = Branded<string, "TokenId">;

const RANDOM_ID = /^[A-Za-z0-9_-]{22}$/;

/** The number as a user id, or null if no user can have it. */
export function asUserId(value: number): UserId | null {
  return Number.isSafeInteger(value) && value > 0 ? (value as UserId) : null;
}

/** The text of a path as a user id, or null: its one spelling (TOK-07), which `Number` would not insist on. */
export function parseUserId(text: string): UserId | null {
  return /^[1-9][0-9]*$/.test(text) ? asUserId(Number(text)) : null;
}

/** The text as a session id, or null if it is not one that this service could have made. */
export function asSessionId(value: string): SessionId | null {
  return RANDOM_ID.test(value) ? (value as SessionId) : null;
}

/** The text as a token id, or null if it is not one that this service could have made. */
export function asTokenId(value: string): TokenId | null {
  return RANDOM_ID.test(value) ? (value as TokenId) : null;
}
