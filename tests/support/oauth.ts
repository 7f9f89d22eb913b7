/** Requests to the OAuth endpoints as a client makes them: forms, each from an address of its own. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { app } from "../../worker/app.ts";
import { type Answer, ask, ORIGIN, parsed, type SignedIn, uniqueAddress } from "./client.ts";

export const FORM = "application/x-www-form-urlencoded";
export const operator = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };

type Parameters = Record<string, string> | string;

export function send(
  path: string,
  parameters: Parameters,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return ask(path, {
    rawBody: new URLSearchParams(parameters).toString(),
    headers: { "Content-Type": FORM, ...headers },
    address: uniqueAddress(),
  });
}

export const exchange = (refresh_token: string) =>
  send("/oauth/token", { grant_type: "refresh_token", refresh_token });
export const revoke = (parameters: Parameters) => send("/oauth/revoke", parameters);
export const introspect = (presented: string, headers: Record<string, string> = operator) =>
  send("/oauth/introspect", { token: presented }, headers);
export const read = (user: Pick<SignedIn, "access">) =>
  ask("/api/accounts/user", { token: user.access, address: uniqueAddress() });

/** One form to the service with these bindings in place of its own. */
export async function sendWith(overrides: object, path: string, parameters: Parameters): Promise<Answer> {
  const ctx = createExecutionContext();
  const request = new Request(ORIGIN + path, {
    method: "POST",
    body: new URLSearchParams(parameters),
    headers: { "CF-Connecting-IP": uniqueAddress(), ...operator },
  });
  const response = await app.fetch(request, { ...env, ...overrides }, ctx);
  await waitOnExecutionContext(ctx);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
}

export const unavailable = { status: 503, body: { code: "unavailable", retry_after: 5 } };

/** A token of the same form, signed by nobody. */
export function forged(real: string): string {
  const [header = "", payload = "", signature = ""] = real.split(".");
  return `${header}.${payload}.${signature.slice(0, -4)}AAAA`;
}
