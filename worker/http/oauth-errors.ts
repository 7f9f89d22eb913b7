/**
 * Errors of the OAuth endpoints, of every status in the form of RFC 6749 §5.2, so that an OAuth
 * client reads a code whatever went wrong; beside it our own stable code and the request's id.
 */
import { z } from "@hono/zod-openapi";
import type { AppContext } from "../context.ts";
import {
  PROBLEMS,
  type ProblemCode,
  type ProblemExtras,
  type ProblemStatus,
  problemAnswer,
} from "./problems.ts";

const OAUTH_ERRORS = [
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "unsupported_grant_type",
  "invalid_scope",
  "invalid_token",
  "insufficient_scope",
  "access_denied",
  "slow_down",
  "server_error",
  "temporarily_unavailable",
] as const;
type OAuthErrorCode = (typeof OAUTH_ERRORS)[number];

/**
 * RFC 6749 §5.2 and, for what it has no word for, RFC 6750 §3.1 (`invalid_token`), RFC 6749 §4.1.2.1
 * (`access_denied`, `server_error`, `temporarily_unavailable`) and RFC 8628 §3.5 (`slow_down`).
 */
const BY_STATUS: Record<ProblemStatus, OAuthErrorCode> = {
  400: "invalid_request",
  401: "invalid_token",
  403: "access_denied",
  404: "invalid_request",
  405: "invalid_request",
  409: "invalid_request",
  413: "invalid_request",
  415: "invalid_request",
  429: "slow_down",
  500: "server_error",
  503: "temporarily_unavailable",
};
/** No credentials at all (RFC 6749 §5.2); credentials that are good and may not do this (RFC 6750 §3.1). */
const BY_CODE: Partial<Record<ProblemCode, OAuthErrorCode>> = {
  token_required: "invalid_client",
  permission_denied: "insufficient_scope",
};

const errorSchema = z
  .object({
    error: z.enum(OAUTH_ERRORS),
    error_description: z.string(),
    code: z.string(),
    request_id: z.string(),
    retry_after: z.int().optional(),
  })
  .openapi("OAuthError");

const errorAnswer = {
  description: "Error (RFC 6749 §5.2)",
  content: { "application/json": { schema: errorSchema } },
} as const;

/** The error answers that a route under `/oauth/` can give, by status: 400, and these. */
export function oauthErrors(...statuses: ProblemStatus[]) {
  return { 400: errorAnswer, ...Object.fromEntries(statuses.map((status) => [status, errorAnswer])) };
}

/** True for a request that is answered in OAuth's words. */
export function speaksOAuth({ path }: { path: string }): boolean {
  return /^\/oauth(?:\/|$)/.test(path);
}

/** `problemAnswer` in OAuth's words, with the same headers. */
export function oauthProblem(code: ProblemCode, extras: ProblemExtras, requestId: string): Response {
  const { status, detail } = PROBLEMS[code];
  const { headers } = problemAnswer(code, extras, requestId);
  headers.set("Content-Type", "application/json");
  headers.set("Pragma", "no-cache"); // beside the no-store of every answer here
  const { retryAfterSeconds } = extras;
  const body: z.infer<typeof errorSchema> = {
    error: BY_CODE[code] ?? BY_STATUS[status],
    error_description: extras.detail ?? detail,
    code,
    request_id: requestId,
    ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
  };
  return new Response(JSON.stringify(body), { status, headers });
}

/** A handler's error answer. The description is for a developer: ASCII without quotes, never what was sent. */
export function oauthError(c: AppContext, error: OAuthErrorCode, description: string) {
  c.set("code", error); // for the log
  c.header("Pragma", "no-cache");
  const { requestId } = c.get("facts");
  return c.json({ error, error_description: description, code: error, request_id: requestId }, 400);
}
