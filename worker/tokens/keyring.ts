/**
 * The keys in use (RFC 7517). One signs: the newest that has begun and not ended. All verify and
 * are published, from before they sign until the last token that they can have signed has expired;
 * then they are gone (TOK-11). A ring with a key whose halves differ is a wrong setting: it signs,
 * verifies and publishes nothing, and says so with 503.
 */
import { CompactSign, compactVerify, importJWK } from "jose";
import type { Config } from "../../schema/config.ts";
import { log } from "../../schema/log.ts";
import { maySign, mayVerify, type SigningAlgorithm, type SigningKey } from "../../schema/signing-keys.ts";
import { type NumericDate, toIso } from "../../schema/time.ts";
import { Refusal } from "../http/problems.ts";

export type RingKey = { kid: string; algorithm: SigningAlgorithm; key: CryptoKey; verifyKey: CryptoKey };
/** RFC 7517, RFC 8037: every member of these keys is text. */
export type PublicJwk = Record<string, string>;
type Ring = (RingKey & {
  createdAt: NumericDate;
  endsAt: NumericDate | null;
  /** Null for a symmetric key, which is never published. */
  published: PublicJwk | null;
})[];

const SETTING = "JWT_SIGNING_KEYS";
const RETRY_SECONDS = 5;
const PROBE = new TextEncoder().encode("do the halves of this key belong together?");

/** Opened once for each reading of the settings. Holds keys, never a promise: another request's may hang. */
const rings = new WeakMap<Config, Ring>();

/** The key that signs now. Throws a 503 if there is none: 401 would make clients throw good sessions away. */
export async function signingKey(config: Config, now: NumericDate): Promise<RingKey> {
  const ring = await ringOf(config, now);
  const newest = ring.find((key) => maySign(key, now)); // newest first, as the settings are read
  if (newest === undefined) throw misconfigured("has no key that may sign now", now);
  return newest;
}

/** The key that a token's `kid` names, or null: keys come from the settings alone (TOK-02). */
export async function verificationKey(
  config: Config,
  kid: string | undefined,
  now: NumericDate,
): Promise<RingKey | null> {
  const ring = await ringOf(config, now);
  return ring.find((key) => key.kid === kid && mayVerify(key, now, config.accessTokenTtlSeconds)) ?? null;
}

/** The key of this `kid`, in use or not: for what was signed once. */
export async function ringKeyOf(
  config: Config,
  kid: string | undefined,
  now: NumericDate,
): Promise<RingKey | null> {
  return (await ringOf(config, now)).find((key) => key.kid === kid) ?? null;
}

/** The public half of the ring for `/.well-known/jwks.json`: never a private or a symmetric key. */
export async function publicKeys(config: Config, now: NumericDate): Promise<{ keys: PublicJwk[] }> {
  const ring = await ringOf(config, now);
  return {
    keys: ring.flatMap((key) =>
      key.published !== null && mayVerify(key, now, config.accessTokenTtlSeconds) ? [key.published] : [],
    ),
  };
}

async function ringOf(config: Config, now: NumericDate): Promise<Ring> {
  const opened = rings.get(config);
  if (opened !== undefined) return opened;
  const ring = await Promise.all(config.signingKeys.map((key) => open(key, now)));
  rings.set(config, ring);
  return ring;
}

/**
 * Imports both halves and lets the public one check what the private one signs. Not every platform
 * compares them, and a key that fails it would sign tokens that nobody can verify.
 */
async function open(signing: SigningKey, now: NumericDate): Promise<Ring[number]> {
  const { kid, algorithm, createdAt, endsAt } = signing;
  const published = publicJwk(signing);
  try {
    const { key, verifyKey } = await importPair(signing, published);
    const probe = await new CompactSign(PROBE).setProtectedHeader({ alg: algorithm }).sign(key);
    await compactVerify(probe, verifyKey, { algorithms: [algorithm] });
    return { kid, algorithm, createdAt, endsAt, published, key, verifyKey };
  } catch {
    throw misconfigured("has a key whose public part does not belong to its private part", now);
  }
}

function publicJwk({ kid, algorithm, jwk }: SigningKey): PublicJwk | null {
  if (jwk === null) return null;
  const { d: _private, ...open } = jwk;
  return { ...open, kid, alg: algorithm, use: "sig" };
}

async function importPair(
  { algorithm, jwk, secret }: SigningKey,
  published: PublicJwk | null,
): Promise<Pick<RingKey, "key" | "verifyKey">> {
  if (jwk === null || published === null) {
    const key = await importHmacKey(secret ?? "");
    return { key, verifyKey: key };
  }
  return {
    key: asCryptoKey(await importJWK(jwk, algorithm)),
    verifyKey: asCryptoKey(await importJWK(published, algorithm)),
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

/** The same answer, and the same line in the log, as any wrong setting gets (contract §2). */
function misconfigured(problem: string, now: NumericDate): Refusal {
  log(toIso(now), { level: "error", event: "settings_wrong", settings: [SETTING], reason: problem });
  return new Refusal("misconfigured", {
    detail: `The service is not configured: ${SETTING}`,
    details: [`${SETTING} ${problem}`],
    retryAfterSeconds: RETRY_SECONDS,
  });
}
