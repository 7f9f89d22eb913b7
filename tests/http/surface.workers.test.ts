import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { app } from "../../worker/app.ts";
import type { RouteRules } from "../../worker/http/route.ts";
import { describe as describeApi } from "../../worker/routes/documents.ts";
import { ask, ORIGIN, PASSWORD, register, uniqueAddress } from "../support/client.ts";
import { FORM } from "../support/oauth.ts";

type Operation = {
  "x-rules": RouteRules;
  responses: Record<string, unknown>;
  requestBody?: { content: Record<string, unknown> };
};
const api = describeApi(app, { ENVIRONMENT: "development" }) as {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);
const takes = (mediaType: string, { requestBody }: Operation): boolean =>
  requestBody?.content[mediaType] !== undefined;
const declares = (operation: Operation, { status }: { status: number }): boolean =>
  operation.responses[status] !== undefined;
const concrete = (path: string): string => path.replace(/\{.*?\}/g, "AAAAAAAAAAAAAAAAAAAAAA");

describe("every route of the description", () => {
  it("is served, with and without a trailing slash, with no redirect", async () => {
    for (const { path, method, operation } of operations) {
      const options = { method, address: uniqueAddress(), ...(operation.requestBody ? { body: {} } : {}) };
      const plain = await ask(concrete(path), options);
      const slashed = await ask(`${concrete(path)}/`, { ...options, address: uniqueAddress() });
      expect(plain.status, `${method} ${path}`).not.toBe(404);
      expect(slashed.status, `${method} ${path}/`).toBe(plain.status);
    }
  });

  it("ADM-01: is closed without a token unless it says that it is public", async () => {
    for (const { path, method, operation } of operations) {
      if (operation["x-rules"].access === "public") continue;
      const answer = await ask(concrete(path), { method, address: uniqueAddress() });
      expect(answer, `${method} ${path}`).toMatchObject({
        status: 401,
        body: {
          code: "token_required",
          error: path.startsWith("/oauth/") ? "invalid_client" : "Authorization token required",
        },
      });
      expect(answer.headers.get("WWW-Authenticate")).toBe("Bearer");
      expect(declares(operation, answer), `${method} ${path}`).toBe(true);
    }
  });

  it("declares what it answers: to nothing, to nonsense, and to a blocked address", async () => {
    const blocked = uniqueAddress();
    const token = env.ADMIN_TOKEN;
    const block = { ip: blocked, seconds: 600, reason: "a test" };
    const path = "/api/admin/security/blocks";
    expect((await ask(path, { token, address: uniqueAddress(), body: block })).status).toBe(201);
    const user = await register();
    const cookie = { Cookie: `__Host-access_token=${user.access}` };
    for (const { path, method, operation } of operations) {
      const isUnsafe = method !== "GET";
      const nonsense = { rawBody: "[", headers: { "Content-Type": "text/plain" } };
      for (const [name, options] of [
        ["nothing", {}],
        ["the operator", { token }],
        ["a refresh token", { token: user.refresh }],
        ["a key", { token: "sak_" }],
        ["a cookie of a foreign page", { headers: { ...cookie, Origin: "https://evil.test" } }],
        ["a blocked address", { address: blocked }],
        ...(isUnsafe ? ([["nonsense", nonsense]] as const) : []),
        ...(isUnsafe ? ([["the operator's nonsense", { ...nonsense, token }]] as const) : []),
      ] as const) {
        if (name === "the operator" && path.endsWith("/finish")) continue; // it would be done
        const isBlocked = name === "a blocked address";
        if (isBlocked && operation["x-rules"].passesBlocks === true) continue;
        const answer = await ask(concrete(path), { method, address: uniqueAddress(), ...options });
        expect(declares(operation, answer), `${method} ${path}, ${name}: ${answer.status}`).toBe(true);
        if (isBlocked && /^\/(api|oauth)\//.test(path))
          expect(answer.body.code, `${method} ${path}`).toBe("address_blocked");
      }
    }
  });

  it("contract §3: an unsafe route that asks for no body refuses a bad one, and takes none or any object", async () => {
    const token = env.ADMIN_TOKEN;
    for (const { path, method, operation } of operations) {
      if (method === "GET" || operation.requestBody !== undefined) continue;
      const { access } = operation["x-rules"];
      const user = access === "admin" ? { access: token } : await register();
      const send = (rawBody: string, type = "application/json") =>
        ask(concrete(path), {
          ...{ method, rawBody, token: user.access, address: uniqueAddress() },
          headers: { "Content-Type": type },
        });
      const answers = {
        415: await send("{}", "text/plain"),
        413: await send(`{"a":"${"x".repeat(65_536)}"}`),
        400: await send("[1]"),
      };
      for (const [status, answer] of Object.entries(answers))
        expect(String(answer.status), `${method} ${path}`).toBe(status);
      if (path.endsWith("/finish")) continue; // it would be done
      const none = await send("", "text/plain");
      expect(String(none.body?.code), `${method} ${path}`).not.toMatch(/malformed|too_large|media_type/);
    }
  });

  it("HTTP-05, RL: carries the security headers, the request id and, under /api/ and /oauth/, no-store and limits", async () => {
    for (const { path, method, operation } of operations) {
      const options = { method, address: uniqueAddress(), ...(operation.requestBody ? { body: {} } : {}) };
      const { headers } = await ask(concrete(path), options);
      expectHeaders(path, headers);
      if (operation["x-rules"].access !== "public")
        expect(headers.get("cache-control"), path).toBe("no-store");
    }
  });

  it("HTTP-01: answers another method with 405 and Allow", async () => {
    for (const path of Object.keys(api.paths)) {
      const allowed = Object.keys(api.paths[path] ?? {}).map((method) => method.toUpperCase());
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"].filter(
        (one) => !allowed.includes(one),
      )) {
        const answer = await ask(concrete(path), { method, address: uniqueAddress() });
        expect(answer, `${method} ${path}`).toMatchObject({
          status: 405,
          body: { code: "method_not_allowed" },
        });
        const allow = answer.headers.get("Allow")?.split(", ") ?? [];
        expect(allow).toEqual(expect.arrayContaining([...allowed, "OPTIONS"]));
        expect(allow).not.toContain(method);
        expectHeaders(path, answer.headers);
      }
    }
  });

  it("HTTP-02, HTTP-03: refuses bodies that are not a JSON object of at most 64 KiB", async () => {
    const deep = `${'{"a":'.repeat(40)}1${"}".repeat(40)}`;
    for (const { path, method, operation } of operations) {
      if (!takes("application/json", operation) || operation["x-rules"].access !== "public") continue;
      const send = (rawBody: string, type = "application/json") =>
        ask(concrete(path), { method, rawBody, headers: { "Content-Type": type }, address: uniqueAddress() });
      for (const rawBody of ["", " ", "{", "null", "[]", '"text"', "1", "{}x", deep, '{"a":\ud800}']) {
        if (rawBody === "") continue;
        const answer = await send(rawBody);
        expect(answer, `${path} ${rawBody}`).toMatchObject({ status: 400, body: { code: "malformed_json" } });
        expectHeaders(path, answer.headers);
      }
      for (const type of ["text/plain", "text/plain; application/json", "application/jsonx", ""]) {
        expect(await send("{}", type), type).toMatchObject({
          status: 415,
          body: { code: "unsupported_media_type" },
        });
      }
      expect(await send(`{"a":"${"x".repeat(65_536)}"}`)).toMatchObject({
        status: 413,
        body: { code: "body_too_large" },
      });
      expect((await send("{}", "Application/JSON; charset=utf-8")).status).not.toBe(415);
    }
  });

  it("HTTP-02, HTTP-03, RFC 6749 §5.2: refuses bodies that are not a whole form of at most 64 KiB", async () => {
    const refused = { error: "invalid_request", error_description: expect.stringMatching(/^[\w /-]+$/) };
    for (const { path, method, operation } of operations) {
      if (!takes(FORM, operation) || operation["x-rules"].access !== "public") continue;
      const send = (rawBody: string, type = FORM) =>
        ask(path, { method, rawBody, headers: { "Content-Type": type }, address: uniqueAddress() });
      for (const rawBody of ["token=%", "token=%f", "token=%zz", "token=%ff", "a=1&a=2"]) {
        const answer = await send(rawBody);
        expect(answer, `${path} ${rawBody}`).toMatchObject({ status: 400, body: refused });
        expectHeaders(path, answer.headers);
      }
      for (const type of ["application/json", "multipart/form-data; boundary=x", `${FORM}x`, ""]) {
        const answer = await send("token=x", type);
        expect(answer, type).toMatchObject({ status: 415, body: refused });
        expectHeaders(path, answer.headers);
      }
      expect(await send(`a=${"x".repeat(65_536)}`)).toMatchObject({ status: 413, body: refused });
      expect((await send("token=x", "Application/X-WWW-Form-URLEncoded;charset=UTF-8")).status).not.toBe(415);
    }
  });

  it("states its limits, its tier and its cost", () => {
    expect(api.openapi).toBe("3.1.0");
    for (const { operation } of operations) {
      expect(operation["x-rules"].cost.length).toBeGreaterThan(3);
      expect(operation["x-rules"].tier).toMatch(/^(confirmed|leased|local|none)$/);
      expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
    }
  });
});

function expectHeaders(path: string, headers: Headers): void {
  expect(Object.fromEntries(headers)).toMatchObject({
    "content-security-policy":
      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block",
    "referrer-policy": "no-referrer",
    "strict-transport-security": expect.stringContaining("max-age=31536000"),
    "x-request-id": expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    vary: expect.stringContaining("Origin"),
  });
  expect(headers.get("server")).toBeNull();
  expect(headers.get("x-powered-by")).toBeNull();
  if (!path.startsWith("/api/") && !path.startsWith("/oauth/")) return;
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("ratelimit-policy")).toContain('"ip";q=100;w=60');
  expect(headers.get("ratelimit")).toMatch(/"ip";r=\d+;t=\d+/);
  for (const name of ["limit", "remaining", "reset"])
    expect(headers.get(`x-ratelimit-${name}`)).toMatch(/^\d+$/);
}

describe("paths", () => {
  it("HTTP-10: an unknown path is 404, and no other spelling reaches a route", async () => {
    for (const path of [
      "/",
      "/api",
      "/api/accounts",
      "/api/nothing",
      "/api//accounts/user",
      "/api/accounts/user//",
      "/API/accounts/user",
      "/api/accounts%2fuser",
      "/api/accounts/login/x",
    ]) {
      const answer = await ask(path, { address: uniqueAddress() });
      expect(answer, path).toMatchObject({ status: 404, body: { code: "not_found", error: "Not Found" } });
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
    }
  });

  it("TRACE and method-override headers do nothing", async () => {
    const override = { "X-HTTP-Method-Override": "DELETE" };
    const answer = await ask("/api/accounts/user", { headers: override, address: uniqueAddress() });
    expect(answer.body.code).toBe("token_required");
  });
});

describe("credentials", () => {
  it("RFC 6750 §2.1: the scheme is Bearer in any case, then one space", async () => {
    const user = await register();
    const send = (Authorization: string) =>
      ask("/api/accounts/user", { headers: { Authorization }, address: user.address });
    expect((await send(`bearer ${user.access}`)).status).toBe(200);
    expect((await send(`BEARER ${user.access}`)).status).toBe(200);
    expect((await send(`Bearer  ${user.access}`)).body.code).toBe("invalid_access_token");
    expect((await send("Bearer")).body.code).toBe("invalid_access_token");
    expect((await send("Basic YTpi")).body.code).toBe("token_required");
    expect((await send(user.access)).body.code).toBe("token_required");
  });

  it("TOK-08: every bad token gets the same 401; TOK-13: none is read from the query", async () => {
    const user = await register();
    const [header = "", payload = "", signature = ""] = user.access.split(".");
    const none = btoa('{"alg":"none","typ":"at+jwt","kid":"test-new"}').replace(/=+$/, "");
    const bodies = [];
    for (const token of [
      "undefined",
      "null",
      `${header}.${payload}.`,
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      `${header}.${payload}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`,
      `${header}.${btoa("{}").replace(/=+$/, "")}.${signature}`,
      `${user.access}=`,
      `${user.access}.x`,
    ]) {
      const answer = await ask("/api/accounts/user", { token, address: user.address });
      expect(answer.status).toBe(401);
      expect(answer.headers.get("WWW-Authenticate")).toBe('Bearer error="invalid_token"');
      bodies.push({ ...answer.body, request_id: "" });
    }
    expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
    expect(bodies[0]).toMatchObject({ error: "Invalid access token", code: "invalid_access_token" });
    const inQuery = await ask(`/api/accounts/user?access_token=${user.access}`, { address: user.address });
    expect(inQuery.body.code).toBe("token_required");
  });
});

describe("wrong input", () => {
  const same = { password: PASSWORD, password2: PASSWORD };
  const missing = "Username, password, and password confirmation are required";

  it.each([
    ["/api/accounts/register", {}, "missing_fields", missing],
    ["/api/accounts/register", { username: "someone", password: PASSWORD }, "missing_fields", missing],
    ["/api/accounts/register", { username: "", ...same }, "missing_fields", missing],
    ["/api/accounts/register", { username: null, ...same }, "missing_fields", missing],
    [
      "/api/accounts/register",
      { username: "someone", password: PASSWORD, password2: "other" },
      "password_mismatch",
      "Passwords do not match",
    ],
    [
      "/api/accounts/register",
      { username: "someone", password: "123", password2: "123" },
      "weak_password",
      "Password does not meet security requirements",
    ],
    [
      "/api/accounts/register",
      { username: "some one", ...same },
      "invalid_request",
      "The request is not valid",
    ],
    [
      "/api/accounts/register",
      { username: "x".repeat(151), ...same },
      "invalid_request",
      "The request is not valid",
    ],
    [
      "/api/accounts/register",
      { username: "a\r\nb", ...same },
      "invalid_request",
      "The request is not valid",
    ],
    [
      "/api/accounts/register",
      { username: ["someone"], ...same },
      "invalid_request",
      "The request is not valid",
    ],
    [
      "/api/accounts/register",
      { username: "someone", email: "nonsense", ...same },
      "invalid_request",
      "The request is not valid",
    ],
    [
      "/api/accounts/register",
      { username: "someone", email: `${"x".repeat(250)}@a.de`, ...same },
      "invalid_request",
      "The request is not valid",
    ],
    ["/api/accounts/login", {}, "missing_fields", "Username and password are required"],
    ["/api/accounts/login", { username: "someone" }, "missing_fields", "Username and password are required"],
    [
      "/api/accounts/login",
      { username: "someone", password: "" },
      "missing_fields",
      "Username and password are required",
    ],
    [
      "/api/accounts/login",
      { username: "someone", password: [PASSWORD] },
      "invalid_request",
      "The request is not valid",
    ],
    [
      "/api/accounts/login",
      { username: 1, password: PASSWORD },
      "invalid_request",
      "The request is not valid",
    ],
    [
      "/api/accounts/login",
      { username: { $gt: "" }, password: PASSWORD },
      "invalid_request",
      "The request is not valid",
    ],
    ["/api/accounts/token/refresh", {}, "missing_fields", "Refresh token is required"],
    ["/api/accounts/token/refresh", { refresh_token: null }, "missing_fields", "Refresh token is required"],
    ["/api/accounts/token/refresh", { refresh_token: 5 }, "invalid_request", "The request is not valid"],
    ["/api/accounts/token/verify", {}, "missing_fields", "Token is required"],
  ])("%s %j is 400 %s", async (path, body, code, error) => {
    const answer = await ask(path, { body, address: uniqueAddress() });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({
      type: "about:blank",
      title: "Bad Request",
      status: 400,
      code,
      error,
    });
    expect(answer.body.detail).toBe(answer.body.error);
    expect(answer.body.request_id).toBe(answer.headers.get("X-Request-Id"));
  });

  it("PWD-07: a weak password is told why, and never told back", async () => {
    const body = { username: "someone", password: "4815162342", password2: "4815162342" };
    const answer = await ask("/api/accounts/register", { body, address: uniqueAddress() });
    expect(answer.body.details.length).toBeGreaterThan(0);
    expect(answer.text).not.toContain("4815162342");
  });

  it.each([
    {},
    { headers: { "Content-Type": "application/json" } },
    { rawBody: "" },
    { rawBody: "", headers: { "Content-Type": "text/plain" } },
  ])("a request with no body at all counts as an empty one: %j", async (options) => {
    const send = (path: string) => ask(path, { method: "POST", address: uniqueAddress(), ...options });
    expect(await send("/api/accounts/token/refresh")).toMatchObject({
      status: 400,
      body: { code: "missing_fields" },
    });
    expect(await send("/api/accounts/logout")).toMatchObject({
      status: 200,
      body: { message: "Already logged out" },
    });
  });
});

describe("CORS", () => {
  const preflight = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
  };

  it("HTTP-06: names an allowed origin and its methods, and lets the limits be read", async () => {
    const answer = await ask("/api/accounts/login", {
      method: "OPTIONS",
      headers: { Origin: "http://localhost:5173", ...preflight },
    });
    expect(answer.status).toBe(204);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "access-control-allow-origin": "http://localhost:5173",
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": "Authorization,Content-Type,X-Device-Token,X-Django-Session",
      "access-control-max-age": "600",
      "access-control-expose-headers": expect.stringContaining("Retry-After"),
      allow: "POST, OPTIONS",
    });
    expect(answer.headers.get("ratelimit"), "a preflight is not counted").toBeNull();
  });

  it.each(["https://evil.example", "null", "http://localhost:5173.evil.example", "http://localhost:51730"])(
    "HTTP-06: %s gets no Access-Control-Allow-Origin, and Vary all the same",
    async (Origin) => {
      for (const method of ["OPTIONS", "GET"]) {
        const answer = await ask("/api/accounts/user", {
          method,
          headers: { Origin, ...preflight },
          address: uniqueAddress(),
        });
        expect(answer.headers.get("access-control-allow-origin")).toBeNull();
        expect(answer.headers.get("vary")).toContain("Origin");
      }
    },
  );

  it("errors carry the CORS headers too", async () => {
    const answer = await ask("/api/accounts/user", {
      headers: { Origin: "http://localhost:3000" },
      address: uniqueAddress(),
    });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
  });
});

it("the description is served as it is", async () => {
  const { body } = await ask("/openapi.json");
  expect(body.info.title).toBe("Session Authority");
  expect(Object.keys(body.paths)).toEqual(Object.keys(api.paths));
  expect(new URL(ORIGIN).protocol).toBe("https:");
});
