/** Who is asking, by access token in the `Authorization` header and nowhere else (RFC 6750 §2.1, TOK-13). */
import { createMiddleware } from "hono/factory";
import type { AccessClaims } from "../../schema/claims.ts";
import { log } from "../../schema/log.ts";
import { toIso } from "../../schema/time.ts";
import { type AppContext, type AppEnv, serviceOf } from "../context.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { verifyAccessToken } from "../tokens/access-token.ts";
import { checkRevocation } from "../tokens/revocation-cache.ts";

export type Identification =
  | { kind: "bearer"; claims: AccessClaims }
  | { kind: "none" }
  | { kind: "invalid" }
  | { kind: "revoked" };

const SCHEME = /^bearer(?: |$)/i;

/** The bearer token of a request, or null if it has none; the scheme in any case, one space (RFC 6750 §2.1). */
export function bearerToken(header: string | undefined): string | null {
  return header !== undefined && SCHEME.test(header) ? header.slice("bearer ".length) : null;
}

/** Verifies a token locally: signature and claims, then what the isolate and KV know of revocations. */
export async function identify(c: AppContext, token: string | null): Promise<Identification> {
  if (token === null) return { kind: "none" };
  const { now, nowMs, requestId } = c.var.facts;
  const service = serviceOf(c);
  const claims = await verifyAccessToken(service, token, now);
  if (claims === null) return { kind: "invalid" };
  switch (await checkRevocation(c.env.REVOCATIONS, claims, nowMs)) {
    case "denied":
      return { kind: "revoked" };
    case "clear":
      return { kind: "bearer", claims };
    case "unavailable":
      if (service.config.revocationMode === "strict") throw new Outage("revocations", null);
      // Bounded by the token's own exp; confirmed routes ask the object and are not affected.
      log(toIso(now), { level: "warn", event: "revocations_unavailable", request_id: requestId });
      return { kind: "bearer", claims };
  }
}

/** The claims, or the refusal that fits: no hint at which check failed (TOK-08). */
export function claimsOf(identification: Identification): AccessClaims {
  switch (identification.kind) {
    case "bearer":
      return identification.claims;
    case "none":
      throw new Refusal("token_required");
    case "invalid":
      throw new Refusal("invalid_access_token");
    case "revoked":
      throw new Refusal("access_token_revoked");
  }
}

/** Lets a request through with a good access token only. */
export const requireBearer = createMiddleware<AppEnv>(async (c, next) => {
  c.set("bearer", claimsOf(await identify(c, bearerToken(c.req.header("Authorization")))));
  await next();
});

/** The claims that `requireBearer` found. Throws on a route that does not require them. */
export function bearerOf(c: AppContext): AccessClaims {
  const claims = c.var.bearer;
  if (claims === null) throw new Error("the route does not require a bearer");
  return claims;
}
