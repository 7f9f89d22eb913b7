/**
 * The one door to password hashes. It decides nothing about accounts, and no input makes it throw: a password or
 * a stored hash that cannot be worked with does not match, after the same work as one that can.
 */
import { type KnownHash, parsePasswordHash } from "../../schema/password-hash.ts";
import { decoyArgon2id, hashArgon2id, isCurrentArgon2id, verifyArgon2 } from "./argon2.ts";
import { verifyBcrypt } from "./bcrypt.ts";
import { verifyDigest } from "./digests.ts";
import { encodePassword } from "./encode-password.ts";
import { verifyPbkdf2 } from "./pbkdf2.ts";
import { verifyScrypt } from "./scrypt.ts";

type Algorithm = KnownHash["algorithm"];
type HashOf<Name extends Algorithm> = Extract<KnownHash, { algorithm: Name }>;

interface Row<Name extends Algorithm> {
  readonly algorithm: Name;
  readonly verify: (password: Uint8Array, hash: HashOf<Name>) => Promise<boolean>;
  /** Whether a new hash would be made the same way; otherwise a login is the chance to replace it. */
  readonly isCurrent: (hash: HashOf<Name>) => boolean;
}

const never = (): boolean => false;

/** What can be verified. Another algorithm is a kind in the parser, a file beside this one, and a row here. */
const ROWS: { readonly [Name in Algorithm]: Row<Name> } = {
  argon2: { algorithm: "argon2", verify: verifyArgon2, isCurrent: isCurrentArgon2id },
  pbkdf2_sha256: { algorithm: "pbkdf2_sha256", verify: verifyPbkdf2, isCurrent: never },
  pbkdf2_sha1: { algorithm: "pbkdf2_sha1", verify: verifyPbkdf2, isCurrent: never },
  scrypt: { algorithm: "scrypt", verify: verifyScrypt, isCurrent: never },
  bcrypt_sha256: { algorithm: "bcrypt_sha256", verify: verifyBcrypt, isCurrent: never },
  bcrypt: { algorithm: "bcrypt", verify: verifyBcrypt, isCurrent: never },
  md5: { algorithm: "md5", verify: verifyDigest, isCurrent: never },
  sha1: { algorithm: "sha1", verify: verifyDigest, isCurrent: never },
};

export interface PasswordVerdict {
  readonly matches: boolean;
  /** Only beside a match: the stored hash is not of the current scheme and is to be replaced (`hashPassword`). */
  readonly needsRehash: boolean;
  /** What was computed; `decoy` where there was nothing to compare with. Not for the client to know. */
  readonly work: Algorithm | "decoy";
}

/** For a password that cannot be encoded: any bytes do, the result is never looked at. */
const NO_BYTES = new Uint8Array(0);

/**
 * A new hash of the current scheme, in Django's encoding. `randomBytes` is the caller's source of random bytes.
 * Throws RangeError for a password over 1,024 bytes or with a lone surrogate; `passwordProblems` finds both first.
 */
export async function hashPassword(
  password: string,
  randomBytes: (length: number) => Uint8Array,
): Promise<string> {
  const bytes = encodePassword(password);
  if (bytes === null) throw new RangeError("password cannot be encoded");
  return hashArgon2id(bytes, randomBytes);
}

/**
 * Whether the password is the one behind the stored hash. Takes about 30 ms of CPU for one
 * of the current scheme, up to a second for another, in slices (see derive.ts).
 */
export async function verifyPassword(password: string, encoded: string): Promise<PasswordVerdict> {
  const hash = parsePasswordHash(encoded);
  const bytes = encodePassword(password);
  if (bytes === null || hash.algorithm === "unusable" || hash.algorithm === "unsupported") {
    return { matches: await decoyArgon2id(bytes ?? NO_BYTES), needsRehash: false, work: "decoy" };
  }
  return verifyWithRow(bytes, hash);
}

/** For a user who does not exist: the work of verifying a hash of the current scheme, so that time tells nothing. */
export async function decoyWork(password: string): Promise<void> {
  await decoyArgon2id(encodePassword(password) ?? NO_BYTES);
}

async function verifyWithRow<Name extends Algorithm>(
  password: Uint8Array,
  hash: HashOf<Name> & { readonly algorithm: Name },
): Promise<PasswordVerdict> {
  const row: Row<Name> = ROWS[hash.algorithm];
  const matches = await row.verify(password, hash);
  return { matches, needsRehash: matches && !row.isCurrent(hash), work: row.algorithm };
}
