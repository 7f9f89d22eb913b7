/** The service under other settings: the same bindings, other variables, for the edge. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { app } from "../../worker/app.ts";
import { type Answer, type Ask, ORIGIN, parsed } from "./client.ts";

/** Tests of limits send more wrong guesses from one address than are honest. */
export const NO_ABUSE = {
  ABUSE_RAPID_LOGIN: "off",
  ABUSE_PASSWORD_SPRAY: "off",
  ABUSE_TOKEN_BRUTE_FORCE: "off",
};

/** A client like `ask`, of a service with these variables in place of its own. */
export function askUnder(vars: object): (path: string, options: Ask) => Promise<Answer> {
  const settings = { ...env, ...vars }; // one for all requests: settings are read once for each
  return async (path, options) => {
    const { body, rawBody, token, headers = {}, address = "192.0.2.2" } = options;
    const content = rawBody ?? (body === undefined ? null : JSON.stringify(body));
    const request = new Request(ORIGIN + path, {
      method: options.method ?? (content === null ? "GET" : "POST"),
      body: content,
      headers: {
        "CF-Connecting-IP": address,
        ...(content === null ? {} : { "Content-Type": "application/json" }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    const ctx = createExecutionContext();
    const response = await app.fetch(request, settings, ctx);
    await waitOnExecutionContext(ctx);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  };
}
