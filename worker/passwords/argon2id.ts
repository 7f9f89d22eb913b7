/**
 * `argon2`: the scheme of every new hash, in the encoding and with the kind of salt that Django itself writes
 * (`Argon2PasswordHasher`), so that a Django beside or after this service can read what it stores.
 */
import module from "@phi-ag/argon2/argon2.wasm";
import type { Argon2Hash } from "../../schema/password-hash.ts";
import { type Argon2, createArgon2 } from "./argon2/engine.ts";
import { SALT_LENGTH, saltText } from "./argon2/salt.ts";
import { equalBytes } from "./equal-bytes.ts";

/** OWASP's password storage cheat sheet, first choice for Argon2id that fits an isolate: 19 MiB, two passes. */
const CURRENT = {
  type: "argon2id",
  version: 19,
  memoryKib: 19_456,
  passes: 2,
  lanes: 1,
  digestLength: 32,
} as const;

/** A hash that no password has, with the costs of a current one. */
const DECOY: Argon2Hash = {
  algorithm: "argon2",
  type: CURRENT.type,
  version: CURRENT.version,
  memoryKib: CURRENT.memoryKib,
  passes: CURRENT.passes,
  lanes: CURRENT.lanes,
  salt: new Uint8Array(SALT_LENGTH),
  digest: new Uint8Array(CURRENT.digestLength),
};

let shared: Argon2 | null = null;

function argon2(): Argon2 {
  shared ??= createArgon2(module);
  return shared;
}

/** A new encoded hash: `argon2$argon2id$v=19$m=19456,t=2,p=1$<salt>$<digest>`, base64 without padding. */
export function hashArgon2id(password: Uint8Array, randomBytes: (length: number) => Uint8Array): string {
  const salt = new TextEncoder().encode(saltText(randomBytes));
  const digest = argon2()({ password, salt, ...CURRENT });
  const costs = `m=${CURRENT.memoryKib},t=${CURRENT.passes},p=${CURRENT.lanes}`;
  return `argon2$argon2id$v=19$${costs}$${unpadded(salt)}$${unpadded(digest)}`;
}

/** Whether the password is the one of the hash. Costs what the hash says; its ceilings are the parser's. */
export function verifyArgon2(password: Uint8Array, hash: Argon2Hash): boolean {
  const { digest } = hash;
  const derived = argon2()({ ...hash, password, digestLength: digest.length });
  return equalBytes(derived, digest);
}

/** The work of verifying a hash of the current scheme, where there is none: the same call, and never a match. */
export function decoyArgon2id(password: Uint8Array): false {
  verifyArgon2(password, DECOY);
  return false;
}

/** Whether a new hash would have the same costs, lengths and kind of salt (Django's `must_update`). */
export function isCurrentArgon2id(hash: Argon2Hash): boolean {
  return (
    hash.type === CURRENT.type &&
    hash.version === CURRENT.version &&
    hash.memoryKib === CURRENT.memoryKib &&
    hash.passes === CURRENT.passes &&
    hash.lanes === CURRENT.lanes &&
    hash.digest.length === CURRENT.digestLength &&
    hash.salt.length === SALT_LENGTH
  );
}

function unpadded(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
}
