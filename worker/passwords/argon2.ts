/**
 * `argon2`: the scheme of every new hash, in the encoding and with the kind of salt that Django itself writes
 * (`Argon2PasswordHasher`), so that a Django beside or after this service can read what it stores.
 */
import type { Argon2Hash } from "../../schema/password-hash.ts";
import { equalBytes } from "./equal-bytes.ts";
import { runMemoryHard } from "./memory-hard/run.ts";
import { SALT_LENGTH, saltText } from "./salt.ts";

/** OWASP's password storage cheat sheet, first choice for Argon2id that fits an isolate: 19 MiB, two passes. */
const CURRENT = { type: "argon2id", version: 19, memoryKib: 19_456, passes: 2, lanes: 1 } as const;
const DIGEST_LENGTH = 32;

/** A hash that no password has, with the costs of a current one. */
const DECOY: Argon2Hash = {
  algorithm: "argon2",
  ...CURRENT,
  salt: new Uint8Array(SALT_LENGTH),
  digest: new Uint8Array(DIGEST_LENGTH),
};

/** A new encoded hash: `argon2$argon2id$v=19$m=19456,t=2,p=1$<salt>$<digest>`, base64 without padding. */
export async function hashArgon2id(
  password: Uint8Array,
  randomBytes: (length: number) => Uint8Array,
): Promise<string> {
  const salt = new TextEncoder().encode(saltText(randomBytes));
  const input = { password, salt, ...CURRENT, digestLength: DIGEST_LENGTH };
  const digest = await runMemoryHard((engine) => engine.argon2(input));
  const costs = `m=${CURRENT.memoryKib},t=${CURRENT.passes},p=${CURRENT.lanes}`;
  return `argon2$argon2id$v=19$${costs}$${unpadded(salt)}$${unpadded(digest)}`;
}

/** Whether the password is the one of the hash. Costs what the hash says; its ceilings are the parser's. */
export async function verifyArgon2(password: Uint8Array, hash: Argon2Hash): Promise<boolean> {
  const { digest, ...costs } = hash;
  const input = { ...costs, password, digestLength: digest.length };
  return equalBytes(await runMemoryHard((engine) => engine.argon2(input)), digest);
}

/** The work of verifying a hash of the current scheme, where there is none: the same call, and never a match. */
export async function decoyArgon2id(password: Uint8Array): Promise<false> {
  await verifyArgon2(password, DECOY);
  return false;
}

/** Whether a new hash would have the same type, costs, lengths and kind of salt (Django's `must_update`). */
export function isCurrentArgon2id(hash: Argon2Hash): boolean {
  return (
    hash.type === CURRENT.type &&
    hash.version === CURRENT.version &&
    hash.memoryKib === CURRENT.memoryKib &&
    hash.passes === CURRENT.passes &&
    hash.lanes === CURRENT.lanes &&
    hash.digest.length === DIGEST_LENGTH &&
    hash.salt.length === SALT_LENGTH
  );
}

function unpadded(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}
