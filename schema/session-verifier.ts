/**
 * The contract of `SessionVerifier`, the entrypoint that other Workers bind to. Refusals and
 * outages are values; only a mistake of the caller throws.
 */
import type { AccessClaims } from "./claims.ts";

/**
 * How soon the answer feels a revocation: `confirmed`, at once and everywhere; `leased`, within
 * five seconds; `local`, within the 60 s bound of the cache.
 */
export type VerificationTier = "confirmed" | "leased" | "local";

export type Verification =
  | { kind: "valid"; claims: AccessClaims }
  /** `invalid`: malformed, forged, expired, for someone else, or no access token. */
  | { kind: "refused"; reason: "invalid" | "revoked" }
  /** Undecided, to be answered with 503 and never with 401: `part` did not answer. */
  | { kind: "unavailable"; part: string };

export interface SessionVerifierContract {
  verify(token: string, options: { tier: VerificationTier }): Promise<Verification>;
}
