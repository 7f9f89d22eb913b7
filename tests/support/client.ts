/** A client of the service, over HTTP, that sees only what a client sees. */
import { exports } from "cloudflare:workers";

export const ORIGIN = "https://authority.test";
export const PASSWORD = "a quiet harbour 27";

let counter = 0;
const run = Math.floor(performance.timeOrigin).toString(36);

/** A name that no other test uses. */
export function unique(prefix: string): string {
  counter += 1;
  return `${prefix}-${run}-${counter}`;
}

/** An address that no other test uses, so that limits never meet. */
export function uniqueAddress(): string {
  counter += 1;
  return `10.${(counter >> 16) & 255}.${(counter >> 8) & 255}.${counter & 255}`;
}

export type Answer = {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into whatever was answered
  body: any;
  text: string;
};

export type Ask = {
  method?: string;
  body?: unknown;
  rawBody?: string;
  token?: string;
  headers?: Record<string, string>;
  address?: string;
};

/** One request; a body makes it a POST. */
export async function ask(path: string, options: Ask = {}): Promise<Answer> {
  const { body, rawBody, token, headers = {}, address = "192.0.2.1" } = options;
  const content = rawBody ?? (body === undefined ? null : JSON.stringify(body));
  const response = await exports.default.fetch(
    new Request(ORIGIN + path, {
      method: options.method ?? (content === null ? "GET" : "POST"),
      body: content,
      redirect: "manual",
      headers: {
        "CF-Connecting-IP": address,
        ...(content === null ? {} : { "Content-Type": "application/json" }),
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...headers,
      },
    }),
  );
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export type SignedIn = {
  username: string;
  email: string;
  address: string;
  access: string;
  refresh: string;
  sid: string;
  id: number;
};

/** A new account, signed in, at an address of its own. */
export async function register(prefix = "user"): Promise<SignedIn> {
  const username = unique(prefix);
  const email = `${username}@example.com`;
  const address = uniqueAddress();
  const body = { username, email, password: PASSWORD, password2: PASSWORD };
  return signedIn(await ask("/api/accounts/register", { body, address }), username, email, address);
}

/** Another session of the same account. */
export async function login(user: SignedIn, extra: Record<string, unknown> = {}): Promise<SignedIn> {
  const body = { username: user.username, password: PASSWORD, ...extra };
  const answer = await ask("/api/accounts/login", { body, address: user.address });
  return signedIn(answer, user.username, user.email, user.address);
}

/** One try at a login, from an address of its own. */
export function signIn(
  username: string,
  password: string = PASSWORD,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return ask("/api/accounts/login", { body: { username, password }, headers, address: uniqueAddress() });
}

/** Presents a refresh token. */
export function refresh(token: string, options: Ask = {}): Promise<Answer> {
  return ask("/api/accounts/token/refresh", { body: { refresh_token: token }, ...options });
}

function signedIn(answer: Answer, username: string, email: string, address: string): SignedIn {
  if (answer.status >= 300) throw new Error(`not signed in: ${answer.status} ${answer.text}`);
  const { access_token, refresh_token, session_id, user } = answer.body;
  return {
    username,
    email,
    address,
    access: access_token,
    refresh: refresh_token,
    sid: session_id,
    id: user.id,
  };
}
