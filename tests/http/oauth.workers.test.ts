/** What the service says of itself in OAuth's terms, and a client of another hand that believes it. */
import { createExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { createLocalJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { describe, expect, it } from "vitest";
import { app } from "../../worker/app.ts";
import { ask, ORIGIN, parsed, register } from "../support/client.ts";

const METADATA = "/.well-known/oauth-authorization-server";
const CLIENT: oauth.Client = { client_id: "a-public-client" };
const PUBLIC = oauth.None();
/** RFC 7662 §2.1: the protected resource shows a bearer token of its own. */
const AS_OPERATOR: oauth.ClientAuth = (_as, _client, _body, headers) => {
  headers.set("Authorization", `Bearer ${env.ADMIN_TOKEN}`);
};

it("oauth4webapi, as it is, discovers, refreshes, verifies, introspects and revokes", async () => {
  const user = await register();
  const options = {
    [oauth.customFetch]: (url: string, init: oauth.CustomFetchOptions<string, unknown>) =>
      exports.default.fetch(
        new Request(url, {
          method: init.method,
          headers: { ...init.headers, "CF-Connecting-IP": user.address },
          redirect: init.redirect,
          body: init.body instanceof URLSearchParams ? init.body : null,
        }),
      ),
  };
  const issuer = new URL(ORIGIN);
  const discovery = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...options });
  const as = await oauth.processDiscoveryResponse(issuer, discovery);

  const present = async (token: string) =>
    oauth.processRefreshTokenResponse(
      as,
      CLIENT,
      await oauth.refreshTokenGrantRequest(as, CLIENT, PUBLIC, token, options),
    );
  const inspect = async (token: string) =>
    oauth.processIntrospectionResponse(
      as,
      CLIENT,
      await oauth.introspectionRequest(as, CLIENT, AS_OPERATOR, token, options),
    );

  const pair = await present(user.refresh);
  expect(pair.expires_in).toBe(600);

  const keys = await exports.default.fetch(as.jwks_uri ?? "");
  const { payload } = await jwtVerify(pair.access_token, createLocalJWKSet(await keys.json()), {
    algorithms: ["EdDSA"],
    typ: "at+jwt",
    issuer: as.issuer,
    audience: as.issuer,
  });
  expect(payload.sid).toBe(user.sid);
  expect(await inspect(pair.access_token)).toMatchObject({ active: true, sub: String(user.id) });

  const successor = pair.refresh_token ?? "";
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, CLIENT, PUBLIC, successor, options),
  );
  expect(await inspect(pair.access_token)).toEqual({ active: false });
  await expect(present(successor)).rejects.toMatchObject({ error: "invalid_grant", status: 400 });
});

describe("GET /.well-known/oauth-authorization-server", () => {
  it("RFC 8414 §2: names every endpoint, and how each is authenticated", async () => {
    const answer = await ask(METADATA);
    expect(answer.headers.get("Content-Type")).toBe("application/json");
    expect(answer.body).toEqual({
      issuer: ORIGIN,
      token_endpoint: `${ORIGIN}/oauth/token`,
      jwks_uri: `${ORIGIN}/.well-known/jwks.json`,
      response_types_supported: [],
      grant_types_supported: ["refresh_token"],
      token_endpoint_auth_methods_supported: ["none"],
      revocation_endpoint: `${ORIGIN}/oauth/revoke`,
      revocation_endpoint_auth_methods_supported: ["none"],
      introspection_endpoint: `${ORIGIN}/oauth/introspect`,
      introspection_endpoint_auth_methods_supported: ["Bearer"],
    });
  });

  it("HTTP-08: addresses come from the configured issuer, whatever host is asked", async () => {
    const ctx = createExecutionContext();
    const bindings = { ...env, ISSUER: "https://id.example", AUDIENCE: "https://api.example" };
    const request = new Request(`https://evil.test${METADATA}`, { headers: { "X-Forwarded-Host": "evil" } });
    const text = await (await app.fetch(request, bindings, ctx)).text();
    expect(text).not.toContain("evil");
    expect(parsed(text)).toMatchObject({
      issuer: "https://id.example",
      token_endpoint: "https://id.example/oauth/token",
    });
  });
});
