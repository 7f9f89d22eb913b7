/** What the service publishes of itself: its public keys (RFC 7517) and its OpenAPI description. */
import { z } from "@hono/zod-openapi";
import { type App, isDevelopment, serviceOf } from "../context.ts";
import { defineRoute, jsonAnswer, serve } from "../http/route.ts";
import { publicKeys } from "../tokens/keyring.ts";

const free = { access: "public" as const, tier: "none" as const, limits: [], cost: "none" };

const jwks = defineRoute(free, {
  method: "get",
  path: "/.well-known/jwks.json",
  summary: "The public keys of access tokens",
  responses: { 200: jsonAnswer("A JWK set", z.object({ keys: z.array(z.record(z.string(), z.unknown())) })) },
});

const openapi = defineRoute(free, {
  method: "get",
  path: "/openapi.json",
  summary: "This description",
  responses: { 200: jsonAnswer("OpenAPI 3.1", z.record(z.string(), z.unknown())) },
});

/**
 * Five minutes bound how late who caches the public keys can be, in both directions. A new key
 * should be published that long before it signs (an `iat` in the future does it); signed with
 * earlier, a verifier that fetches again on an unknown `kid` may be given the old set by a cache in
 * between. A key that was taken out is believed elsewhere for as long, so it must not be longer. An
 * ended key stays published until its tokens have expired and needs no caching at all.
 */
const PUBLISHED = { "Cache-Control": "public, max-age=300" };

export function mountDocuments(app: App): void {
  serve(app, jwks, async (c) =>
    c.json(await publicKeys(serviceOf(c).config, c.get("facts").now), 200, PUBLISHED),
  );
  serve(app, openapi, async (c) => c.json(describe(app, c.env), 200, PUBLISHED));
}

/** The API's description, out of the routes' own declarations. What is for development alone is told there alone. */
export function describe(app: App, env: { ENVIRONMENT?: string }): Record<string, unknown> {
  const { paths = {}, ...document } = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Session Authority",
      version: "1",
      description: "Accounts, tokens and sessions at the edge.",
    },
  });
  const exists = ([path]: [string, unknown]): boolean => isDevelopment(env) || !path.startsWith("/dev/");
  return { ...document, paths: Object.fromEntries(Object.entries(paths).filter(exists)) };
}
