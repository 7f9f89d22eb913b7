/**
 * Errors of the OAuth endpoints, in the words of RFC 6749 §5.2. Whatever is wrong with what was
 * sent is answered so; what the RFC has no word for (limits, outages, bearer credentials, methods)
 * is the problem answer of every other route.
 */
import { z } from "@hono/zod-openapi";
import type { AppContext } from "../context.ts";
import { PROBLEMS, type Refusal } from "./problems.ts";

const OAUTH_ERRORS = ["invalid_request", "invalid_grant", "unsupported_grant_type", "invalid_scope"] as const;
type OAuthErrorCode = (typeof OAUTH_ERRORS)[number];

const errorSchema = z
  .object({ error: z.enum(OAUTH_ERRORS), error_description: z.string() })
  .openapi("OAuthError");
const answer = {
  description: "Error (RFC 6749 §5.2)",
  content: { "application/json": { schema: errorSchema } },
} as const;

/** The error answers of a route that takes a form, for its `responses`. */
export const oauthErrors = { 400: answer, 413: answer, 415: answer };

/** A handler's error answer. The description is for a developer: ASCII without quotes, never what was sent. */
export function oauthError(c: AppContext, error: OAuthErrorCode, description: string) {
  noteError(c, error);
  return c.json({ error, error_description: description }, 400);
}

/** The answer to a form that no handler needs to see: a repeated, missing or malformed parameter. */
export function refusedForm(c: AppContext, { code, extras }: Refusal): Response {
  const { status, detail } = PROBLEMS[code];
  const body = { error: "invalid_request", error_description: extras.detail ?? detail } as const;
  noteError(c, body.error);
  return c.json(body, status);
}

function noteError(c: AppContext, error: OAuthErrorCode): void {
  c.set("code", error); // for the log
  c.header("Pragma", "no-cache"); // beside the no-store of every answer here
}
