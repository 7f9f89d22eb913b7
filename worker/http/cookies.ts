/**
 * Tokens in cookies (contract §7), for pages that must not hold them: unreadable to scripts, sent
 * to this service alone, the refresh token only where it is used.
 */
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { type AppContext, serviceOf } from "../context.ts";
import { Refusal } from "./problems.ts";

type Row = { name: string; prefix: "host" | "secure"; path: string };

const ACCESS: Row = { name: "access_token", prefix: "host", path: "/" };
const REFRESH: Row = { name: "refresh_token", prefix: "secure", path: "/api/accounts" };
const DEVICE: Row = { name: "device", prefix: "host", path: "/" };
const ROWS = { access: ACCESS, refresh: REFRESH, device: DEVICE };
const ATTRIBUTES = { httpOnly: true, secure: true, sameSite: "Strict" } as const;
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/** What of our tokens a request carries in cookies. */
export function cookieToken(c: AppContext, kind: keyof typeof ROWS): string | null {
  const { name, prefix } = ROWS[kind];
  return getCookie(c, name, prefix) ?? null;
}

/** Sets the cookie by which an account knows a client. It stays when a session ends. */
export function setDeviceCookie(c: AppContext, token: string, maxAgeSeconds: number): void {
  const { name, prefix, path } = DEVICE;
  setCookie(c, name, token, { ...ATTRIBUTES, prefix, path, maxAge: maxAgeSeconds });
}

/** Sets both; lifetimes in seconds. */
export function setTokenCookies(
  c: AppContext,
  tokens: { access_token: string; refresh_token: string; expires_in: number; refresh_expires_in: number },
): void {
  const set = ({ name, prefix, path }: Row, value: string, maxAge: number): void => {
    setCookie(c, name, value, { ...ATTRIBUTES, prefix, path, maxAge });
  };
  set(ACCESS, tokens.access_token, tokens.expires_in);
  set(REFRESH, tokens.refresh_token, tokens.refresh_expires_in);
}

/** Clears both, whether they are there or not. */
export function clearTokenCookies(c: AppContext): void {
  for (const { name, prefix, path } of [ACCESS, REFRESH]) {
    deleteCookie(c, name, { ...ATTRIBUTES, prefix, path });
  }
}

/**
 * For a request that authenticates by cookie: an unsafe one must say that it comes from an allowed
 * origin (OWASP CSRF, "verifying origin"), since a browser sends cookies for any page.
 */
export function requireAllowedOrigin(c: AppContext): void {
  if (SAFE_METHODS.includes(c.req.method)) return;
  if (!isAllowedOrigin(c, c.req.header("Origin") ?? "")) throw new Refusal("csrf_failed");
}

/** True for a request that names an origin which is not allowed: a page of somebody else's sent it. */
export function isForeign(c: AppContext): boolean {
  const origin = c.req.header("Origin");
  return origin !== undefined && !isAllowedOrigin(c, origin);
}

function isAllowedOrigin(c: AppContext, origin: string): boolean {
  return serviceOf(c).config.allowedOrigins.includes(origin);
}
