/**
 * The encoded password hashes of Django's `auth_user.password` column: one strict grammar, with a ceiling on
 * every cost. A stored hash decides how much work a login causes, so nothing outside the ceilings is ever tried.
 * Pure: it reads text and gives a value; it must never throw, and never hash.
 */

/** Django's column holds 128 characters; ours may hold the longest salt below, so this only bounds the parsing. */
export const ENCODED_LENGTH_MAX = 2_048;

/** Above every Django default (1,500,000 in its main branch), and about half a second of CPU. */
export const PBKDF2_ITERATIONS_MAX = 2_000_000;
/** Bytes, and characters: what the PBKDF2 module has room for. Django writes 12 or 22. */
export const PBKDF2_SALT_LENGTH_MAX = 1_024;
/** Bytes of SHA-256. Django never writes another length under this name. */
export const PBKDF2_DIGEST_LENGTH = 32;

/** KiB. An isolate has 128 MB for everything; WebAssembly memory never shrinks once it has grown. */
export const ARGON2_MEMORY_KIB_MAX = 65_536;
/** KiB for each lane: the least that Argon2 accepts (RFC 9106 §3.1). */
export const ARGON2_MEMORY_KIB_MIN_PER_LANE = 8;
/** More passes only make sense with memory that ARGON2_WORK_MAX no longer leaves room for. */
export const ARGON2_PASSES_MAX = 16;
/** Lanes run one after another here, so they buy nothing; no known default has more than 8. */
export const ARGON2_LANES_MAX = 16;
/** Memory × passes, in KiB: the time of one hash, about seven times that of a new one. Argon2 cannot be sliced. */
export const ARGON2_WORK_MAX = 4 * ARGON2_MEMORY_KIB_MAX;
/** Bytes: 8 is the least that Argon2 accepts (RFC 9106 §3.1), 22 is what Django writes. */
export const ARGON2_SALT_LENGTH_MIN = 8;
export const ARGON2_SALT_LENGTH_MAX = 64;
/** Bytes: 16 was argon2-cffi's default before 32. A shorter digest would be too easy to hit by chance. */
export const ARGON2_DIGEST_LENGTH_MIN = 16;
export const ARGON2_DIGEST_LENGTH_MAX = 64;

export interface Pbkdf2Sha256Hash {
  readonly algorithm: "pbkdf2_sha256";
  readonly iterations: number;
  /** The text itself is the salt: Django does not decode it. ASCII, without `$`. */
  readonly salt: string;
  readonly digest: Uint8Array;
}

/** Argon2id, version 19. */
export interface Argon2Hash {
  readonly algorithm: "argon2";
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

export type PasswordHash =
  | Pbkdf2Sha256Hash
  | Argon2Hash
  /** Django's "no password can match": a leading `!`. */
  | { readonly algorithm: "unusable" }
  | { readonly algorithm: "unsupported"; readonly reason: UnsupportedReason };

/** For audit and import reports; it tells nothing about the password. */
export type UnsupportedReason = "unknown algorithm" | "malformed" | "cost above the ceiling";

/**
 * Reads one encoded hash. Never throws: whatever cannot be verified is `unsupported` with the reason.
 * The grammar is the one of Django's hashers (`PBKDF2PasswordHasher`, `Argon2PasswordHasher`, 3.2 to 6.0),
 * in exactly the spelling Django writes.
 */
export function parsePasswordHash(encoded: string): PasswordHash {
  if (encoded.startsWith("!")) return { algorithm: "unusable" };
  if (encoded.length > ENCODED_LENGTH_MAX) return unsupported("malformed");
  const [name, ...fields] = encoded.split("$");
  if (name === "pbkdf2_sha256") return parsePbkdf2(fields);
  if (name === "argon2") return parseArgon2(fields);
  return unsupported("unknown algorithm");
}

function parsePbkdf2(fields: readonly string[]): PasswordHash {
  const [iterationText, salt, digestText] = fields;
  if (iterationText === undefined || salt === undefined || digestText === undefined || fields.length !== 3) {
    return unsupported("malformed");
  }
  const iterations = decimal(iterationText);
  const digest = fromBase64(digestText);
  if (iterations === null || digest?.length !== PBKDF2_DIGEST_LENGTH) return unsupported("malformed");
  if (!PRINTABLE_ASCII.test(salt) || salt.length > PBKDF2_SALT_LENGTH_MAX) return unsupported("malformed");
  if (iterations > PBKDF2_ITERATIONS_MAX) return unsupported("cost above the ceiling");
  return { algorithm: "pbkdf2_sha256", iterations, salt, digest };
}

function parseArgon2(fields: readonly string[]): PasswordHash {
  const [type, version, costs, saltText, digestText] = fields;
  // argon2i, argon2d and the version before 19 (which Django 1.10 wrote without `v=`).
  if (type !== "argon2id" || version !== "v=19") return unsupported("unknown algorithm");
  if (costs === undefined || saltText === undefined || digestText === undefined || fields.length !== 5) {
    return unsupported("malformed");
  }
  const [, memoryText, passText, laneText] = ARGON2_COSTS.exec(costs) ?? [];
  const memoryKib = decimal(memoryText);
  const passes = decimal(passText);
  const lanes = decimal(laneText);
  const salt = fromBase64(padded(saltText));
  const digest = fromBase64(padded(digestText));
  if (memoryKib === null || passes === null || lanes === null) return unsupported("malformed");
  if (!within(salt, ARGON2_SALT_LENGTH_MIN, ARGON2_SALT_LENGTH_MAX)) return unsupported("malformed");
  if (!within(digest, ARGON2_DIGEST_LENGTH_MIN, ARGON2_DIGEST_LENGTH_MAX)) return unsupported("malformed");
  if (memoryKib < lanes * ARGON2_MEMORY_KIB_MIN_PER_LANE) return unsupported("malformed");
  const affordable =
    memoryKib <= ARGON2_MEMORY_KIB_MAX &&
    passes <= ARGON2_PASSES_MAX &&
    lanes <= ARGON2_LANES_MAX &&
    memoryKib * passes <= ARGON2_WORK_MAX;
  if (!affordable) return unsupported("cost above the ceiling");
  return { algorithm: "argon2", memoryKib, passes, lanes, salt, digest };
}

const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;
const ARGON2_COSTS = /^m=(\d+),t=(\d+),p=(\d+)$/;
/** Nine digits and no leading zero: more than any ceiling, and exact as a number. */
const DECIMAL = /^[1-9]\d{0,8}$/;

function unsupported(reason: UnsupportedReason): PasswordHash {
  return { algorithm: "unsupported", reason };
}

function decimal(text: string | undefined): number | null {
  return text !== undefined && DECIMAL.test(text) ? Number(text) : null;
}

function within(bytes: Uint8Array | null, min: number, max: number): bytes is Uint8Array {
  return bytes !== null && bytes.length >= min && bytes.length <= max;
}

/** Argon2's encoding leaves the padding out, and takes none. */
function padded(text: string): string {
  return text.includes("=") ? "" : text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}

/** Standard base64 in its one canonical spelling, or null: encoding the bytes again must give the same text. */
function fromBase64(text: string): Uint8Array | null {
  try {
    const binary = atob(text);
    if (btoa(binary) !== text) return null;
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
