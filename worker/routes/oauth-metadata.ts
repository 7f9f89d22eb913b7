/** `GET /.well-known/oauth-authorization-server` (RFC 8414): what a client needs to find the rest by itself. */
import { z } from "@hono/zod-openapi";
import { type App, serviceOf } from "../context.ts";
import { defineRoute, jsonAnswer, serve } from "../http/route.ts";

const metadataSchema = z
  .object({
    issuer: z.url(),
    token_endpoint: z.url(),
    jwks_uri: z.url(),
    response_types_supported: z.array(z.string()),
    grant_types_supported: z.array(z.string()),
    token_endpoint_auth_methods_supported: z.array(z.string()),
    revocation_endpoint: z.url(),
    revocation_endpoint_auth_methods_supported: z.array(z.string()),
    introspection_endpoint: z.url(),
    introspection_endpoint_auth_methods_supported: z.array(z.string()),
  })
  .openapi("AuthorizationServerMetadata");

const route = defineRoute(
  { access: "public", tier: "none", limits: [], cost: "none" },
  {
    method: "get",
    path: "/.well-known/oauth-authorization-server",
    summary: "The authorization server's metadata",
    responses: { 200: jsonAnswer("RFC 8414 §3.2", metadataSchema) },
  },
);

/** As long as the public keys, which it points to. */
const PUBLISHED = { "Cache-Control": "public, max-age=300" };

export function mountOAuthMetadata(app: App): void {
  serve(app, route, (c) => c.json(metadataOf(serviceOf(c).issuer), 200, PUBLISHED));
}

/** RFC 8414 §2, in its order. Every address follows from the issuer, never from the request's own host. */
function metadataOf(issuer: string): z.infer<typeof metadataSchema> {
  const at = (path: string): string => new URL(path, issuer).href;
  return {
    issuer,
    token_endpoint: at("/oauth/token"),
    jwks_uri: at("/.well-known/jwks.json"),
    response_types_supported: [], // required, and empty: there is no authorization endpoint
    grant_types_supported: ["refresh_token"],
    token_endpoint_auth_methods_supported: ["none"],
    revocation_endpoint: at("/oauth/revoke"),
    revocation_endpoint_auth_methods_supported: ["none"],
    introspection_endpoint: at("/oauth/introspect"),
    introspection_endpoint_auth_methods_supported: ["Bearer"], // of the Access Token Types registry, as §2 allows
  };
}
