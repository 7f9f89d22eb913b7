/**
 * Django's database sessions, as Django 3.1 to 5.2 sign them (`signing.dumps`, salt of the session
 * store): who one says has signed in, if the key, the time and the user's password all bear it out.
 * Up to Django 3.2 with SHA-1 where `DEFAULT_HASHING_ALGORITHM` said so.
 */
import { base64url } from "jose";
import { z } from "zod";
import type { Legacy } from "../../schema/legacy.ts";
import type { NumericDate } from "../../schema/time.ts";
import { equalBytes } from "../passwords/equal-bytes.ts";

/** What a signed session says of itself. */
export type DjangoSession = { userId: string; authHash: string; savedAt: NumericDate };

const SESSION_SALT = "django.contrib.sessions.SessionStore";
const AUTH_HASH_SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
/** A backend that was not configured would be refused by Django; this is the one that was. */
const BACKEND = "django.contrib.auth.backends.ModelBackend";
const SIGNED = /^(\.?)([A-Za-z0-9_-]+):([0-9A-Za-z]{1,10}):([A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{27})$/;
/** Characters of a SHA-1 in base64url, and in hex; a SHA-256 has more. */
const SHA1_SIGNATURE_LENGTH = 27;
const SHA1_HEX_LENGTH = 40;
const KEY = /^[a-z0-9]{8,40}$/;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const INFLATED_BYTES_MAX = 64 * 1024;

const contents = z.object({
  _auth_user_id: z.string(),
  _auth_user_backend: z.literal(BACKEND),
  _auth_user_hash: z.string().regex(/^(?:[0-9a-f]{64}|[0-9a-f]{40})$/),
});

/** How `django_sessions` names the session of this key, or null for text that can be no key. */
export async function sessionDigest(key: string): Promise<string | null> {
  if (!KEY.test(key)) return null;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return base64url.encode(new Uint8Array(digest));
}

/** What the signed text says, or null: not signed with this key, no user in it, or not readable. */
export async function readSession(legacy: Legacy, data: string): Promise<DjangoSession | null> {
  const [, dot, encoded = "", stamp = "", signature = ""] = SIGNED.exec(data) ?? [];
  if (dot === undefined) return null;
  const signed = `${dot}${encoded}:${stamp}`;
  const algorithm = signature.length === SHA1_SIGNATURE_LENGTH ? "SHA-1" : "SHA-256";
  const right = await saltedHmac(legacy, algorithm, `${SESSION_SALT}signer`, signed);
  try {
    if (!equalBytes(base64url.decode(signature), right)) return null;
    const bytes = base64url.decode(encoded);
    const text = new TextDecoder().decode(dot === "." ? await inflate(bytes) : bytes);
    const said = contents.safeParse(JSON.parse(text));
    if (!said.success) return null;
    const { _auth_user_id: userId, _auth_user_hash: authHash } = said.data;
    return { userId, authHash, savedAt: fromBase62(stamp) };
  } catch {
    return null; // signed by whoever has the key, and still no session
  }
}

/** Whether the session was begun with the password that this hash is of: a change ends it. */
export async function isOfPassword(legacy: Legacy, session: DjangoSession, hash: string): Promise<boolean> {
  const algorithm = session.authHash.length === SHA1_HEX_LENGTH ? "SHA-1" : "SHA-256";
  const right = await saltedHmac(legacy, algorithm, AUTH_HASH_SALT, hash);
  const hex = [...right].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const encode = (text: string) => new TextEncoder().encode(text);
  return equalBytes(encode(session.authHash), encode(hex));
}

/** `django.utils.crypto.salted_hmac`: the algorithm is that of the derived key, too. */
async function saltedHmac(
  legacy: Legacy,
  hash: "SHA-1" | "SHA-256",
  salt: string,
  value: string,
): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const derived = await crypto.subtle.digest(hash, encoder.encode(salt + legacy.secretKey));
  const key = await crypto.subtle.importKey("raw", derived, { name: "HMAC", hash }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(value)));
}

/** zlib, as far as a session may go: a few bytes can stand for gigabytes. */
async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([Uint8Array.from(bytes)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const inflated: number[] = [];
  for await (const chunk of stream) {
    if (inflated.length + chunk.length > INFLATED_BYTES_MAX) throw new RangeError("too large");
    for (const byte of chunk) inflated.push(byte);
  }
  return Uint8Array.from(inflated);
}

function fromBase62(text: string): NumericDate {
  return [...text].reduce((sum, digit) => sum * BASE62.length + BASE62.indexOf(digit), 0);
}
