/**
 * Every problem that this service answers (RFC 9457), as a table: its stable code, its status and
 * the sentence that clients already match on (contract §3). Pure.
 */
type ProblemRow = { status: ProblemStatus; detail: string };
export type ProblemStatus = 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 429 | 500 | 503;

export const PROBLEMS = {
  missing_fields: { status: 400, detail: "A required field is missing" },
  malformed_json: { status: 400, detail: "The request body is not a JSON object" },
  invalid_request: { status: 400, detail: "The request is not valid" },
  client_address_required: { status: 400, detail: "The client address is missing" },
  password_mismatch: { status: 400, detail: "Passwords do not match" },
  wrong_code: { status: 400, detail: "The code does not belong to the new secret" },
  weak_password: { status: 400, detail: "Password does not meet security requirements" },
  user_exists: { status: 400, detail: "User with this username or email already exists" },
  invalid_reset_token: { status: 400, detail: "Invalid or expired reset token" },
  invalid_email_token: { status: 400, detail: "Invalid or expired verification token" },
  invalid_unlock_token: { status: 400, detail: "Invalid or expired unlock token" },
  no_email: { status: 400, detail: "The account has no email address" },
  invalid_credentials: { status: 401, detail: "Invalid credentials" },
  invalid_refresh_token: { status: 401, detail: "Invalid refresh token" },
  refresh_token_revoked: { status: 401, detail: "Refresh token is invalid or has been revoked" },
  refresh_token_reused: { status: 401, detail: "Refresh token is invalid or has been revoked" },
  invalid_django_session: { status: 401, detail: "Invalid or expired Django session" },
  mfa_required: { status: 401, detail: "A code of the second factor is required" },
  invalid_mfa_token: { status: 401, detail: "Invalid or expired MFA token" },
  invalid_mfa_code: { status: 401, detail: "Invalid code" },
  token_required: { status: 401, detail: "Authorization token required" },
  invalid_access_token: { status: 401, detail: "Invalid access token" },
  access_token_revoked: { status: 401, detail: "Access token has been revoked" },
  csrf_failed: { status: 403, detail: "The request does not come from an allowed origin" },
  address_blocked: { status: 403, detail: "Access temporarily blocked" },
  permission_denied: { status: 403, detail: "Permission denied" },
  not_found: { status: 404, detail: "Not Found" },
  method_not_allowed: { status: 405, detail: "Method Not Allowed" },
  second_factor_required: { status: 403, detail: "This needs a session that began with a second factor" },
  mfa_already_enabled: { status: 409, detail: "A second factor is active already" },
  mfa_not_enabled: { status: 409, detail: "No second factor is active" },
  mfa_not_pending: { status: 409, detail: "No second factor waits to be activated" },
  last_admin: { status: 409, detail: "The last admin cannot be removed" },
  deletion_begun: { status: 409, detail: "The account is being deleted" },
  too_many: { status: 409, detail: "There are as many as there may be" },
  body_too_large: { status: 413, detail: "The request body is larger than 64 KiB" },
  unsupported_media_type: { status: 415, detail: "The request body must be application/json" },
  account_locked: { status: 429, detail: "Account temporarily locked" },
  rate_limited: { status: 429, detail: "Rate limit exceeded" },
  internal_error: { status: 500, detail: "Internal Server Error" },
  misconfigured: { status: 503, detail: "The service is not configured" },
  unavailable: { status: 503, detail: "The service is temporarily unavailable" },
} as const satisfies Record<string, ProblemRow>;
export type ProblemCode = keyof typeof PROBLEMS;

/** One reason, or one per field. Never a value that was sent. */
export type ProblemDetails = string[] | { field: string; message: string }[];

export type ProblemExtras = {
  /** Takes the place of the row's sentence. */
  detail?: string;
  details?: ProblemDetails;
  retryAfterSeconds?: number;
  /** What the client needs for its next step, as a member of the answer. */
  mfaToken?: string;
  headers?: Record<string, string>;
  /** Extension members (RFC 9457 §3.2); a member of ours of the same name stands. */
  members?: Record<string, unknown>;
};

/** Thrown by a step of a request to end it with this answer. `app.ts` renders it, in one place. */
export class Refusal extends Error {
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;

  constructor(code: ProblemCode, extras: ProblemExtras = {}) {
    super(code);
    this.code = code;
    this.extras = extras;
  }
}

/** A part that this service stands on did not answer. Always 503, never 401: see the architecture's failure table. */
export class Outage extends Error {
  readonly part: string;

  constructor(part: string, cause: unknown) {
    super(`${part} is unavailable`, { cause });
    this.part = part;
  }
}

const TITLES: Record<ProblemStatus, string> = {
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

/** RFC 6750 §3: no `error` where no credentials came; `invalid_token` where they were no good. */
const CHALLENGES: Partial<Record<ProblemCode, string>> = { token_required: "Bearer" };
const CHALLENGE = 'Bearer error="invalid_token"';

/** The problem as an answer: status, body and the headers that belong to it. */
export function problemAnswer(code: ProblemCode, extras: ProblemExtras, requestId: string): Response {
  const row: ProblemRow = PROBLEMS[code];
  const detail = extras.detail ?? row.detail;
  const { retryAfterSeconds, details, mfaToken } = extras;
  const headers = new Headers({ ...extras.headers, "Content-Type": "application/problem+json" });
  if (row.status === 401) headers.set("WWW-Authenticate", CHALLENGES[code] ?? CHALLENGE);
  if (retryAfterSeconds !== undefined) headers.set("Retry-After", String(retryAfterSeconds));
  const body = {
    ...extras.members,
    type: "about:blank",
    title: TITLES[row.status],
    status: row.status,
    detail,
    code,
    error: detail,
    request_id: requestId,
    ...(details === undefined ? {} : { details }),
    ...(retryAfterSeconds === undefined ? {} : { retry_after: retryAfterSeconds }),
    ...(mfaToken === undefined ? {} : { mfa_token: mfaToken }),
  };
  return new Response(JSON.stringify(body), { status: row.status, headers });
}
