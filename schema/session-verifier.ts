/**
 * The contract of `SessionVerifier`, the entrypoint that other Workers bind to. Refusals and
 * outages are values; only a mistake of the caller throws.
 */
import type { ApiKeyClaims } from "./api-keys.ts";
import type { AccessClaims } from "./claims.ts";

/**
 * How soon the answer feels a revocation: `confirmed`, at once and everywhere; `leased`, within
 * five seconds; `local`, within the 60 s bound of the cache. An API key's is felt at once in each.
 */
export type VerificationTier = "confirmed" | "leased" | "local";

export type Verification =
  | { kind: "valid"; claims: AccessClaims }
  /** A good API key, which has no session; a kind of its own, so that nobody takes it for a signed-in user. */
  | { kind: "api_key"; key: ApiKeyClaims }
  /** `invalid`: malformed, forged, expired, for someone else, or neither access token nor good API key. */
  | { kind: "refused"; reason: "invalid" | "revoked" }
  /** Undecided, to be answered with 503 and never with 401: `part` did not answer. */
  | { kind: "unavailable"; part: string };

export interface SessionVerifierContract {
  verify(token: string, options: { tier: VerificationTier }): Promise<Verification>;
}
