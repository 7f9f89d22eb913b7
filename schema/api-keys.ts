/**
 * API keys: `sak_<key id>_<secret><checksum>`. The checksum tells a typing error, or a key cut short
 * by a form, before anything is asked; it proves nothing. Pure.
 */
import { crc32 } from "node:zlib";
import type { NumericDate } from "./time.ts";

export const API_KEY_PREFIX = "sak_";
/** Random bytes behind each half (TOK-10 asks for 256 bits behind what must not be guessed). */
export const KEY_ID_BYTES = 8;
export const SECRET_BYTES = 32;
export const API_KEYS_PER_USER_MAX = 25;
export const API_KEY_NAME_LENGTH_MAX = 100;

/**
 * What other services are told of a key that is good at this moment, in the words of a token's
 * claims. `scope` is what the key and its owner's role both allow; none where that is nothing.
 */
export type ApiKeyClaims = {
  key_id: string;
  sub: string;
  user_id: number;
  scope?: string;
  iat: NumericDate;
  exp?: NumericDate;
};

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KEY_ID_LENGTH = 11;
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const KEY = /^sak_([0-9A-Za-z]{11})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;
const KEY_ID = /^[0-9A-Za-z]{11}$/;

/** True for the id of a key. */
export function isKeyId(text: string): boolean {
  return KEY_ID.test(text);
}

/** The key of these random bytes, and its two halves. */
export function formatApiKey(
  id: Uint8Array,
  secret: Uint8Array,
): { key: string; keyId: string; secret: string } {
  const keyId = base62(id, KEY_ID_LENGTH);
  const text = base62(secret, SECRET_LENGTH);
  return { key: `${API_KEY_PREFIX}${keyId}_${text}${checksum(keyId, text)}`, keyId, secret: text };
}

/** The halves of a key as it is presented, or null for what cannot be one. */
export function parseApiKey(presented: string): { keyId: string; secret: string } | null {
  const [, keyId = "", secret = "", sum = ""] = KEY.exec(presented) ?? [];
  return sum !== "" && checksum(keyId, secret) === sum ? { keyId, secret } : null;
}

function checksum(keyId: string, secret: string): string {
  const sum = crc32(`${API_KEY_PREFIX}${keyId}_${secret}`);
  return digits(BigInt(sum), CHECKSUM_LENGTH);
}

function base62(bytes: Uint8Array, length: number): string {
  return digits(
    bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n),
    length,
  );
}

function digits(value: bigint, length: number): string {
  let rest = value;
  let text = "";
  for (let i = 0; i < length; i += 1) {
    text = ALPHABET.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return text;
}
