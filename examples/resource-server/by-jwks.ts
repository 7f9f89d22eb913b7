/**
 * A resource server that only checks signatures (RFC 9068 §4), anywhere and with no call to the
 * authority but one for its public keys in five minutes. A revocation is felt when the access token
 * expires: within `ACCESS_TOKEN_TTL`, ten minutes by default.
 */
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

type Bindings = { ISSUER: string; AUDIENCE: string };

const RETRY_SECONDS = 5;
const BEARER = /^bearer ([^ ]+)$/i;
/** What jose throws when it is the keys that it could not get, and not the token that is bad. */
const KEYS_UNAVAILABLE = ["ERR_JWKS_TIMEOUT", "ERR_JWKS_INVALID", "ERR_JOSE_GENERIC"];

/** Made once: it keeps the keys, and fetches them again when they are old or a `kid` is new. */
let keys: ReturnType<typeof createRemoteJWKSet> | null = null;

export default {
  async fetch(request, env): Promise<Response> {
    const [, token = ""] = BEARER.exec(request.headers.get("Authorization") ?? "") ?? [];
    keys ??= createRemoteJWKSet(new URL("/.well-known/jwks.json", env.ISSUER), {
      cacheMaxAge: 300_000,
      cooldownDuration: 30_000,
      timeoutDuration: 5000,
    });
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ["EdDSA", "ES256"],
        typ: "at+jwt",
        issuer: env.ISSUER,
        audience: env.AUDIENCE,
        requiredClaims: ["sub", "exp", "iat", "jti", "sid"],
        currentDate: new Date(),
        clockTolerance: 0,
      });
      return Response.json({ username: payload.username, role: payload.role });
    } catch (error) {
      if (error instanceof errors.JOSEError && !KEYS_UNAVAILABLE.includes(error.code)) {
        return Response.json(
          { error: "invalid_token" },
          { status: 401, headers: { "WWW-Authenticate": 'Bearer error="invalid_token"' } },
        );
      }
      return Response.json(
        { error: "temporarily_unavailable" },
        { status: 503, headers: { "Retry-After": String(RETRY_SECONDS) } },
      );
    }
  },
} satisfies ExportedHandler<Bindings>;
