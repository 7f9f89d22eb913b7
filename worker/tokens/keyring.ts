/** The keys in use: one signs, all verify, and the public ones are published (RFC 7517). */
import { importJWK } from "jose";
import type { Config } from "../../schema/config.ts";
import type { SigningAlgorithm, SigningKey } from "../../schema/signing-keys.ts";
import type { NumericDate } from "../../schema/time.ts";

export type RingKey = { kid: string; algorithm: SigningAlgorithm; key: CryptoKey; verifyKey: CryptoKey };
/** RFC 7517, RFC 8037: every member of these keys is text. */
export type PublicJwk = Record<string, string>;
type Ring = {
  keys: (RingKey & { createdAt: NumericDate; endsAt: NumericDate | null })[];
  published: PublicJwk[];
};

/** Imported once for each reading of the settings. Holds keys, never a promise: another request's may hang. */
const rings = new WeakMap<Config, Ring>();

async function ringOf(config: Config): Promise<Ring> {
  const opened = rings.get(config);
  if (opened !== undefined) return opened;
  const keys = await Promise.all(
    config.signingKeys.map(async (key) => ({ ...key, ...(await importPair(key)) })),
  );
  const ring: Ring = { keys, published: config.signingKeys.flatMap(publicJwk) };
  rings.set(config, ring);
  return ring;
}

/** The newest key that has begun and not ended. Throws if every key has ended: that is an outage. */
export async function signingKey(config: Config, now: NumericDate): Promise<RingKey> {
  const { keys } = await ringOf(config);
  const valid = keys.find(({ createdAt, endsAt }) => createdAt <= now && (endsAt === null || now < endsAt));
  if (valid === undefined) throw new Error("no signing key is valid now");
  return valid;
}

/** The key that a token's `kid` names, or null: keys come from the settings alone (TOK-02). */
export async function verificationKey(config: Config, kid: string | undefined): Promise<RingKey | null> {
  const { keys } = await ringOf(config);
  return keys.find((key) => key.kid === kid) ?? null;
}

/** The public half of the ring for `/.well-known/jwks.json`: never a private or a symmetric key. */
export async function publicKeys(config: Config): Promise<{ keys: PublicJwk[] }> {
  return { keys: (await ringOf(config)).published };
}

function publicJwk({ kid, algorithm, jwk }: SigningKey): PublicJwk[] {
  if (jwk === null) return [];
  const { d: _private, ...open } = jwk;
  return [{ ...open, kid, alg: algorithm, use: "sig" }];
}

async function importPair({
  algorithm,
  jwk,
  secret,
}: SigningKey): Promise<Pick<RingKey, "key" | "verifyKey">> {
  if (jwk === null) {
    const key = await importHmacKey(secret ?? "");
    return { key, verifyKey: key };
  }
  const { d: _private, ...open } = jwk;
  return {
    key: asCryptoKey(await importJWK(jwk, algorithm)),
    verifyKey: asCryptoKey(await importJWK(open, algorithm)),
  };
}

/** A symmetric secret as an HMAC-SHA-256 key. */
export function importHmacKey(secret: string): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret);
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}

function asCryptoKey(key: CryptoKey | Uint8Array): CryptoKey {
  if (key instanceof Uint8Array) throw new TypeError("an asymmetric key was expected");
  return key;
}
