/**
 * What must be read back and is a secret (LOG-05): AES-256-GCM under `DATA_ENCRYPTION_KEY`. The
 * first of its keys encrypts; the others only decrypt, until nothing names them any more.
 */
import { base64url } from "jose";
import type { Config } from "../schema/config.ts";
import { randomBytes } from "./entropy.ts";
import { Outage } from "./http/problems.ts";

/** `keyId` names the key and tells nothing of it; `sealed` is nonce, ciphertext and tag, base64url. */
export type Sealed = { keyId: string; sealed: string };

const NONCE_BYTES = 12; // NIST SP 800-38D §8.2.2: random, for far fewer than 2^32 secrets a key
const KEY_ID_BYTES = 6;

type DataKey = { id: string; key: CryptoKey };
const rings = new WeakMap<Config, DataKey[]>();

/** The ids of the keys that only decrypt. */
export async function olderKeyIds(config: Config): Promise<string[]> {
  return (await ringOf(config)).slice(1).map(({ id }) => id);
}

/** Encrypts. `context` says what and whose it is: in any other place it cannot be decrypted. */
export async function seal(config: Config, plain: Uint8Array, context: string): Promise<Sealed> {
  const { id, key } = await first(config);
  const nonce = randomBytes(NONCE_BYTES);
  const ciphertext = await crypto.subtle.encrypt(algorithm(nonce, context), key, plain);
  return { keyId: id, sealed: base64url.encode(Uint8Array.from([...nonce, ...new Uint8Array(ciphertext)])) };
}

/** Decrypts. Without the key, or where the row was tampered with, an `Outage` (503): nobody's code is wrong then. */
export async function unseal(
  config: Config,
  { keyId, sealed }: Sealed,
  context: string,
): Promise<Uint8Array> {
  const named = (await ringOf(config)).find(({ id }) => id === keyId);
  if (named === undefined) throw new Outage("data_encryption_key", "no key of this id");
  const bytes = base64url.decode(sealed);
  try {
    const nonce = bytes.slice(0, NONCE_BYTES);
    const plain = await crypto.subtle.decrypt(algorithm(nonce, context), named.key, bytes.slice(NONCE_BYTES));
    return new Uint8Array(plain);
  } catch {
    throw new Outage("data_encryption_key", "a secret cannot be decrypted");
  }
}

function algorithm(iv: Uint8Array, context: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(context) };
}

async function first(config: Config): Promise<DataKey> {
  const [key] = await ringOf(config);
  if (key === undefined) throw new Error("the settings have a key");
  return key;
}

async function ringOf(config: Config): Promise<DataKey[]> {
  const ring = rings.get(config) ?? (await Promise.all(config.dataEncryptionKeys.map(derive)));
  rings.set(config, ring);
  return ring;
}

/** HKDF (RFC 5869) makes of any strong secret a key and, apart from it, the key's name. */
async function derive(secret: string): Promise<DataKey> {
  const text = new TextEncoder();
  const base = await crypto.subtle.importKey("raw", text.encode(secret), "HKDF", false, [
    "deriveKey",
    "deriveBits",
  ]);
  const hkdf = (info: string) => {
    return { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: text.encode(info) };
  };
  const aes = { name: "AES-GCM", length: 256 };
  const key = await crypto.subtle.deriveKey(hkdf("data encryption"), base, aes, false, [
    "encrypt",
    "decrypt",
  ]);
  const id = await crypto.subtle.deriveBits(hkdf("data encryption key id"), base, KEY_ID_BYTES * 8);
  return { id: base64url.encode(new Uint8Array(id)), key };
}
