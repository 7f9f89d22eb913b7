/**
 * The key behind refresh tokens, which no object and no table ever sees: reading all that is
 * stored yields no usable token (REF-12, TOK-10). It also keys what must not be reversible.
 */
import { base64url } from "jose";
import type { ClientView } from "../../schema/audit-events.ts";
import type { Config } from "../../schema/config.ts";
import { importHmacKey } from "./keyring.ts";

const keys = new WeakMap<Config, CryptoKey>();

/** HMAC-SHA-256 under `REFRESH_TOKEN_SECRET`: the same claims always sign to the same token. */
export async function refreshKey(config: Config): Promise<CryptoKey> {
  const key = keys.get(config) ?? (await importHmacKey(config.refreshTokenSecret));
  keys.set(config, key);
  return key;
}

/**
 * A keyed hash for one purpose. The NUL after the label keeps it apart from every other purpose
 * and from anything that a token's signature covers.
 */
export async function keyedHash(config: Config, label: string, text: string): Promise<Uint8Array> {
  const bytes = new TextEncoder().encode(`${label}\0${text}`);
  return new Uint8Array(await crypto.subtle.sign("HMAC", await refreshKey(config), bytes));
}

/** What tells one client from another within the grace: address and user agent, unreadable. */
export async function clientKey(config: Config, client: ClientView): Promise<string> {
  return base64url.encode(await keyedHash(config, "client", JSON.stringify([client.ip, client.userAgent])));
}
