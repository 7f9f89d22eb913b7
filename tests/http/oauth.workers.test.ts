/** What the service says of itself in OAuth's terms, and a client of another hand that believes it. */
import { createExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { createLocalJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { describe, expect, it } from "vitest";
import { app } from "../../worker/app.ts";
import { ask, ORIGIN, parsed, register, uniqueAddress } from "../support/client.ts";

const METADATA = "/.well-known/oauth-authorization-server";
const CLIENT: oauth.Client = { client_id: "a-public-client" };
const PUBLIC = oauth.None();
/** RFC 7662 §2.1: the protected resource shows a bearer token of its own. */
const AS_OPERATOR: oauth.ClientAuth = (_as, _client, _body, headers) => {
  headers.set("Authorization", `Bearer ${env.ADMIN_TOKEN}`);
};

describe("contract §6: whatever goes wrong, an OAuth client reads a code of RFC 6749's grammar", () => {
  const as: oauth.AuthorizationServer = {
    issuer: ORIGIN,
    token_endpoint: `${ORIGIN}/oauth/token`,
    introspection_endpoint: `${ORIGIN}/oauth/introspect`,
  };
  const options = (address: string, credential?: string) => ({
    [oauth.customFetch]: (url: string, init: oauth.CustomFetchOptions<string, unknown>) =>
      exports.default.fetch(
        new Request(url, {
          method: init.method,
          headers: {
            ...init.headers,
            "CF-Connecting-IP": address,
            ...(credential === undefined ? {} : { Authorization: `Bearer ${credential}` }),
          },
          body: init.body instanceof URLSearchParams ? init.body : null,
        }),
      ),
  });
  const present = async (address: string) =>
    oauth.processRefreshTokenResponse(
      as,
      CLIENT,
      await oauth.refreshTokenGrantRequest(as, CLIENT, PUBLIC, "x", options(address)),
    );
  const inspect = async (address: string, credential?: string) =>
    oauth.processIntrospectionResponse(
      as,
      CLIENT,
      await oauth.introspectionRequest(as, CLIENT, PUBLIC, "x", options(address, credential)),
    );
  const errorOf = async (asked: Promise<unknown>): Promise<unknown> =>
    asked.then(
      () => null,
      (error: unknown) => error,
    );

  it("429 is slow_down, 403 insufficient_scope, 401 a challenge", async () => {
    const address = uniqueAddress();
    for (let i = 0; i < 100; i += 1) await ask("/oauth/token", { address });
    const limited = await errorOf(present(address));
    expect(limited).toBeInstanceOf(oauth.ResponseBodyError);
    expect(limited).toMatchObject({
      error: "slow_down",
      error_description: "Rate limit exceeded",
      status: 429,
    });

    const user = await register();
    const forbidden = await errorOf(inspect(user.address, user.access));
    expect(forbidden).toMatchObject({ error: "insufficient_scope", status: 403 });
    for (const credential of [undefined, "no token"]) {
      const nobody = await errorOf(inspect(user.address, credential));
      expect(nobody).toBeInstanceOf(oauth.WWWAuthenticateChallengeError);
    }
  });

  it("every answer is JSON that no cache keeps, with our own code and the request's id beside", async () => {
    const answers = [
      await ask("/oauth/introspect", { method: "POST", address: uniqueAddress() }),
      await ask("/oauth/nothing", { address: uniqueAddress() }),
      await ask("/oauth", { address: uniqueAddress() }),
      await ask("/oauth/token", { address: uniqueAddress() }),
      await ask("/oauth/token", { body: {}, address: uniqueAddress() }),
    ];
    expect(answers.map(({ status, body }) => [status, body.error, body.code])).toEqual([
      [401, "invalid_client", "token_required"],
      [404, "invalid_request", "not_found"],
      [404, "invalid_request", "not_found"],
      [405, "invalid_request", "method_not_allowed"],
      [415, "invalid_request", "unsupported_media_type"],
    ]);
    for (const { headers, body } of answers) {
      expect(headers.get("Content-Type")).toBe("application/json");
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect(body.error_description).toMatch(/^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/); // RFC 6749 §5.2
      expect(body.request_id).toBe(headers.get("X-Request-Id"));
    }
    expect(answers[0]?.headers.get("WWW-Authenticate")).toBe("Bearer");
    expect(answers[3]?.headers.get("Allow")).toBe("POST, OPTIONS");
  });
});

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
