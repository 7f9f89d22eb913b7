import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  Outage,
  PROBLEMS,
  type ProblemCode,
  type ProblemExtras,
  problemAnswer,
  Refusal,
} from "../../../worker/http/problems.ts";

const ROUTES = join(import.meta.dirname, "../../../worker/routes");
const CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** Contract §3: "sentences that clients already match on, kept exactly". */
const SENTENCES: [ProblemCode, number, string][] = [
  ["password_mismatch", 400, "Passwords do not match"],
  ["weak_password", 400, "Password does not meet security requirements"],
  ["user_exists", 400, "User with this username or email already exists"],
  ["invalid_credentials", 401, "Invalid credentials"],
  ["account_locked", 429, "Account temporarily locked"],
  ["invalid_refresh_token", 401, "Invalid refresh token"],
  ["refresh_token_revoked", 401, "Refresh token is invalid or has been revoked"],
  ["refresh_token_reused", 401, "Refresh token is invalid or has been revoked"],
  ["token_required", 401, "Authorization token required"],
  ["invalid_access_token", 401, "Invalid access token"],
  ["access_token_revoked", 401, "Access token has been revoked"],
  ["rate_limited", 429, "Rate limit exceeded"],
  ["permission_denied", 403, "Permission denied"],
  ["not_found", 404, "Not Found"],
  ["internal_error", 500, "Internal Server Error"],
];
/** The same table's rows of `missing_fields`: each route declares its own sentence. */
const MISSING: [string, string][] = [
  ["register", "Username, password, and password confirmation are required"],
  ["login", "Username and password are required"],
  ["refresh", "Refresh token is required"],
];

async function answer(code: ProblemCode, extras: ProblemExtras = {}) {
  const response = problemAnswer(code, extras, "request-1");
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as unknown };
}

describe("the sentences of the contract", () => {
  test.for(SENTENCES)('contract §3: %s is %i "%s", byte for byte', async ([code, status, sentence]) => {
    const { body, ...rest } = await answer(code);
    expect(rest.status).toBe(status);
    expect(body).toMatchObject({ status, code, detail: sentence, error: sentence });
  });

  test.for(MISSING)('contract §3: %s with a field missing is 400 "%s"', async ([route, sentence]) => {
    const source = readFileSync(join(ROUTES, `${route}.ts`), "utf8");
    expect(source).toContain(JSON.stringify(sentence));
    const { status, body } = await answer("missing_fields", { detail: sentence });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: "missing_fields", detail: sentence, error: sentence });
  });

  test("REF-13: a reused refresh token differs from a revoked one in nothing but its code", async () => {
    const revoked = await answer("refresh_token_revoked");
    const reused = await answer("refresh_token_reused");
    expect(reused.text.replace("refresh_token_reused", "refresh_token_revoked")).toBe(revoked.text);
    expect([...reused.headers]).toEqual([...revoked.headers]);
  });

  test("no two codes share a sentence, but for the two that must", () => {
    const byDetail = Map.groupBy(CODES, (code) => PROBLEMS[code].detail);
    const shared = [...byDetail.values()].filter((codes) => codes.length > 1);
    expect(shared).toEqual([["refresh_token_revoked", "refresh_token_reused"]]);
  });

  test.for(CODES)("HTTP-04: %s is a code in words and a sentence that tells no internals", (code) => {
    expect(code).toMatch(/^[a-z]+(?:_[a-z]+)*$/);
    const { detail } = PROBLEMS[code];
    expect(detail).toMatch(/^[A-Z][A-Za-z0-9 ,/-]+$/);
    expect(detail).not.toMatch(/durable|object class|sqlite|\bD1\b|\bKV\b|worker|stack|exception/i);
  });
});

describe("RFC 9457", () => {
  const TITLES: Record<number, string> = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
  };

  test.for(CODES)("RFC 9457 §3.1, §4.2.1: %s has every member, and the status's own title", async (code) => {
    const { status, detail } = PROBLEMS[code];
    const { headers, body, ...rest } = await answer(code);
    expect(rest.status).toBe(status);
    expect(headers.get("Content-Type")).toBe("application/problem+json");
    expect(body).toEqual({
      type: "about:blank",
      title: TITLES[status],
      status,
      detail,
      code,
      error: detail,
      request_id: "request-1",
    });
  });

  test("contract §3: details are strings, or fields with their messages, as they were given", async () => {
    const reasons = ["too short", "too common"];
    expect((await answer("weak_password", { details: reasons })).body).toMatchObject({ details: reasons });
    const fields = [{ field: "username", message: "must be text" }];
    expect((await answer("invalid_request", { details: fields })).body).toMatchObject({ details: fields });
  });

  test("contract §3: another sentence takes the place of the row's, in both members", async () => {
    const { body } = await answer("missing_fields", { detail: "Token is required" });
    expect(body).toMatchObject({ detail: "Token is required", error: "Token is required" });
  });

  test("RL-03: Retry-After and retry_after say the same, also of 0 seconds", async () => {
    for (const retryAfterSeconds of [0, 1, 3600]) {
      const { headers, body } = await answer("rate_limited", { retryAfterSeconds });
      expect(headers.get("Retry-After")).toBe(String(retryAfterSeconds));
      expect(body).toMatchObject({ retry_after: retryAfterSeconds });
    }
  });

  test("contract §3: without a time to wait there is neither of the two", async () => {
    const { headers, body } = await answer("internal_error");
    expect(headers.has("Retry-After")).toBe(false);
    expect(body).not.toHaveProperty("retry_after");
    expect(body).not.toHaveProperty("details");
  });

  test("HTTP-01: headers of the refusal are sent with it, and cannot change what it is", async () => {
    const headers = { Allow: "GET, OPTIONS", "Content-Type": "text/html" };
    const answered = await answer("method_not_allowed", { headers });
    expect(answered.headers.get("Allow")).toBe("GET, OPTIONS");
    expect(answered.headers.get("Content-Type")).toBe("application/problem+json");
  });

  test("HTTP-04: a sentence with quotes, line ends or markup stays inside its member", async () => {
    const detail = 'a "quote"\r\nX-Injected: 1 <script>';
    const { headers, body } = await answer("invalid_request", { detail });
    expect(body).toMatchObject({ detail, error: detail });
    expect(headers.has("X-Injected")).toBe(false);
  });
});

describe("WWW-Authenticate", () => {
  const unauthorized = CODES.filter((code) => PROBLEMS[code].status === 401);

  test("RFC 6750 §3: no error code where no credentials came", async () => {
    expect((await answer("token_required")).headers.get("WWW-Authenticate")).toBe("Bearer");
  });

  test.for(unauthorized.filter((code) => code !== "token_required"))(
    "RFC 6750 §3.1, TOK-08: %s is 401 with invalid_token",
    async (code) => {
      expect((await answer(code)).headers.get("WWW-Authenticate")).toBe('Bearer error="invalid_token"');
    },
  );

  test.for(CODES.filter((code) => !unauthorized.includes(code)))(
    "RFC 9110 §11.6.1: %s is no 401 and challenges nobody",
    async (code) => {
      expect((await answer(code)).headers.has("WWW-Authenticate")).toBe(false);
    },
  );

  test("RFC 9110 §11.6.1: there is one challenge, whatever headers the refusal brings", async () => {
    const headers = { "www-authenticate": "Basic" };
    const answered = await answer("invalid_access_token", { headers });
    expect(answered.headers.get("WWW-Authenticate")).toBe('Bearer error="invalid_token"');
  });
});

describe("what is thrown", () => {
  test("a refusal carries its code and extras, and is named by the code alone", () => {
    const refusal = new Refusal("rate_limited", { retryAfterSeconds: 5 });
    expect(refusal).toMatchObject({ message: "rate_limited", code: "rate_limited" });
    expect(refusal.extras).toEqual({ retryAfterSeconds: 5 });
    expect(new Refusal("not_found").extras).toEqual({});
  });

  test("an outage names the part, and keeps its cause for the log", () => {
    const cause = new Error("the network is down");
    expect(new Outage("database", cause)).toMatchObject({
      part: "database",
      message: "database is unavailable",
      cause,
    });
  });
});
