/** What the service publishes of itself: its public keys (RFC 7517) and its OpenAPI description. */
import { z } from "@hono/zod-openapi";
import { type App, serviceOf } from "../context.ts";
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

const PUBLISHED = { "Cache-Control": "public, max-age=300" };

export function mountDocuments(app: App): void {
  serve(app, jwks, async (c) => c.json(await publicKeys(serviceOf(c).config), 200, PUBLISHED));
  serve(app, openapi, async (c) => c.json(describe(app), 200, PUBLISHED));
}

/** The API's description, out of the routes' own declarations. */
export function describe(app: App): Record<string, unknown> {
  return {
    ...app.getOpenAPI31Document({
      openapi: "3.1.0",
      info: {
        title: "Session Authority",
        version: "1",
        description: "Accounts, tokens and sessions at the edge.",
      },
    }),
  };
}
