/** The `Authorization` header's bearer token (RFC 6750 §2.1), of whatever kind. Pure. */
const SCHEME = /^bearer(?: |$)/i;

/** The bearer token of a request, or null if it has none; the scheme in any case, one space (RFC 6750 §2.1). */
export function bearerToken(header: string | undefined): string | null {
  return header !== undefined && SCHEME.test(header) ? header.slice("bearer ".length) : null;
}
