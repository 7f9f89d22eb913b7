/**
 * The encoded password hashes of Django's `auth_user.password` column: one strict grammar, with a ceiling on
 * every cost. A stored hash decides how much work a login causes, so nothing outside the ceilings is ever tried.
 * Pure: it reads text and gives a value; it must never throw, and never hash.
 */

/** Django's column holds 128 characters; ours may hold the longest salt below, so this only bounds the parsing. */
export const ENCODED_LENGTH_MAX = 2_048;

/** Above every Django default (1,500,000 in its main branch), and less than a second of CPU. */
export const PBKDF2_ITERATIONS_MAX = 2_000_000;
/** Bytes, and characters: what the PBKDF2 module has room for. Django writes 12 or 22. */
export const SALT_LENGTH_MAX = 1_024;

/**
 * KiB. An isolate has 128 MB for everything, and one that exceeds it takes every request in it along. The service
 * itself has 11 to 16 MB at rest: 64 MiB leave it room, Django's default of 100 MiB for Argon2 would not.
 */
export const MEMORY_KIB_MAX = 65_536;
/** KiB for each lane: the least that Argon2 accepts (RFC 9106 §3.1). */
export const ARGON2_MEMORY_KIB_MIN_PER_LANE = 8;
/** More passes only make sense with memory that ARGON2_WORK_MAX no longer leaves room for. */
export const ARGON2_PASSES_MAX = 64;
/** Lanes run one after another here, so they buy nothing; no known default has more than 8. */
export const ARGON2_LANES_MAX = 16;
/** Memory × passes, in KiB: the time of one hash, about 27 times that of a new one. */
export const ARGON2_WORK_MAX = 16 * MEMORY_KIB_MAX;
/** Bytes: 8 is the least that Argon2 accepts (RFC 9106 §3.1), 22 is what Django writes. */
export const ARGON2_SALT_LENGTH_MIN = 8;
export const ARGON2_SALT_LENGTH_MAX = 64;
/** Bytes: 16 was argon2-cffi's default before 32. A shorter digest would be too easy to hit by chance. */
export const ARGON2_DIGEST_LENGTH_MIN = 16;
export const ARGON2_DIGEST_LENGTH_MAX = 64;

/** N × r × p: what the platform's own scrypt stops at, too. Django's default is 655,360. */
export const SCRYPT_WORK_MAX = 2 ** 20;
/** 128 r bytes each: no known default has more than 8 and 5. */
export const SCRYPT_BLOCK_SIZE_MAX = 32;
export const SCRYPT_PARALLELIZATION_MAX = 32;

/** The logarithm of the iterations. 4 is the least that bcrypt knows, 12 is Django's; 14 is over a second of CPU. */
export const BCRYPT_COST_MIN = 4;
export const BCRYPT_COST_MAX = 14;

export interface Pbkdf2Hash {
  readonly algorithm: "pbkdf2_sha256" | "pbkdf2_sha1";
  readonly iterations: number;
  /** The text itself is the salt: Django does not decode it. ASCII, without `$`. */
  readonly salt: string;
  readonly digest: Uint8Array;
}

export interface Argon2Hash {
  readonly algorithm: "argon2";
  readonly type: "argon2d" | "argon2i" | "argon2id";
  readonly version: 16 | 19;
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

export interface ScryptHash {
  readonly algorithm: "scrypt";
  /** N, a power of two. */
  readonly cost: number;
  /** r */
  readonly blockSize: number;
  /** p */
  readonly parallelization: number;
  /** Text, as with PBKDF2. */
  readonly salt: string;
  readonly digest: Uint8Array;
}

export interface BcryptHash {
  /** With `_sha256`, what bcrypt takes as the password is the SHA-256 of it in hexadecimal. */
  readonly algorithm: "bcrypt" | "bcrypt_sha256";
  readonly cost: number;
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

export interface DigestHash {
  readonly algorithm: "md5" | "sha1";
  /** Text; empty in Django's unsalted formats. */
  readonly salt: string;
  readonly digest: Uint8Array;
}

/** What can be verified. */
export type KnownHash = Pbkdf2Hash | Argon2Hash | ScryptHash | BcryptHash | DigestHash;

export type PasswordHash =
  | KnownHash
  /** Django's "no password can match": a leading `!`. */
  | { readonly algorithm: "unusable" }
  | { readonly algorithm: "unsupported"; readonly reason: UnsupportedReason };

/** For audit and import reports; it tells nothing about the password. */
export type UnsupportedReason = "unknown algorithm" | "malformed" | "cost above the ceiling";

/**
 * Reads one encoded hash. Never throws: whatever cannot be verified is `unsupported` with the reason.
 * The grammar is the one of Django's hashers (`django.contrib.auth.hashers`, 1.4 to 6.0), in exactly the spelling
 * Django writes.
 */
export function parsePasswordHash(encoded: string): PasswordHash {
  if (encoded.startsWith("!")) return { algorithm: "unusable" };
  if (encoded.length > ENCODED_LENGTH_MAX) return unsupported("malformed");
  const [name = "", ...fields] = encoded.split("$");
  if (fields.length === 0 && name.length === 2 * MD5_LENGTH) return parseDigest("md5", ["", name]);
  const parse = Object.hasOwn(PARSERS, name) ? PARSERS[name] : undefined;
  return parse?.(fields) ?? unsupported("unknown algorithm");
}

const MD5_LENGTH = 16;
const SHA1_LENGTH = 20;
/** Bytes of what Django writes: it never has another length. */
const DIGEST_LENGTHS = { pbkdf2_sha256: 32, pbkdf2_sha1: SHA1_LENGTH, scrypt: 64, bcrypt: 23 } as const;
const BCRYPT_SALT_LENGTH = 16;

const PARSERS: Readonly<Record<string, (fields: readonly string[]) => PasswordHash>> = {
  argon2: parseArgon2,
  bcrypt: (fields) => parseBcrypt("bcrypt", fields),
  bcrypt_sha256: (fields) => parseBcrypt("bcrypt_sha256", fields),
  md5: (fields) => parseDigest("md5", fields),
  pbkdf2_sha1: (fields) => parsePbkdf2("pbkdf2_sha1", fields),
  pbkdf2_sha256: (fields) => parsePbkdf2("pbkdf2_sha256", fields),
  scrypt: parseScrypt,
  sha1: (fields) => parseDigest("sha1", fields),
};

function parsePbkdf2(algorithm: Pbkdf2Hash["algorithm"], fields: readonly string[]): PasswordHash {
  const [iterationText, salt, digestText] = fields;
  if (salt === undefined || digestText === undefined || fields.length !== 3) return unsupported("malformed");
  const iterations = decimal(iterationText);
  const digest = fromBase64(digestText);
  if (iterations === null || digest?.length !== DIGEST_LENGTHS[algorithm]) return unsupported("malformed");
  if (!isSaltText(salt)) return unsupported("malformed");
  if (iterations > PBKDF2_ITERATIONS_MAX) return unsupported("cost above the ceiling");
  return { algorithm, iterations, salt, digest };
}

function parseArgon2(fields: readonly string[]): PasswordHash {
  const [type, ...rest] = fields;
  if (type !== "argon2id" && type !== "argon2i" && type !== "argon2d") {
    return unsupported(type === undefined ? "malformed" : "unknown algorithm");
  }
  // The first version had no `v=` in its encoding.
  const version = rest[0]?.startsWith("v=") ? VERSIONS[rest.shift() ?? ""] : 16;
  if (version === undefined) return unsupported("unknown algorithm");
  const [costs, saltText, digestText] = rest;
  if (costs === undefined || saltText === undefined || digestText === undefined || rest.length !== 3) {
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
    memoryKib <= MEMORY_KIB_MAX &&
    passes <= ARGON2_PASSES_MAX &&
    lanes <= ARGON2_LANES_MAX &&
    memoryKib * passes <= ARGON2_WORK_MAX;
  if (!affordable) return unsupported("cost above the ceiling");
  return { algorithm: "argon2", type, version, memoryKib, passes, lanes, salt, digest };
}

function parseScrypt(fields: readonly string[]): PasswordHash {
  const [costText, salt, blockSizeText, parallelizationText, digestText] = fields;
  if (salt === undefined || digestText === undefined || fields.length !== 5) return unsupported("malformed");
  const cost = decimal(costText);
  const blockSize = decimal(blockSizeText);
  const parallelization = decimal(parallelizationText);
  const digest = fromBase64(digestText);
  if (cost === null || blockSize === null || parallelization === null) return unsupported("malformed");
  if (cost < 2 || !Number.isInteger(Math.log2(cost))) return unsupported("malformed");
  if (!isSaltText(salt) || digest?.length !== DIGEST_LENGTHS.scrypt) return unsupported("malformed");
  const affordable =
    blockSize <= SCRYPT_BLOCK_SIZE_MAX &&
    parallelization <= SCRYPT_PARALLELIZATION_MAX &&
    cost * blockSize * parallelization <= SCRYPT_WORK_MAX &&
    cost * blockSize * 128 <= MEMORY_KIB_MAX * 1_024;
  if (!affordable) return unsupported("cost above the ceiling");
  return { algorithm: "scrypt", cost, blockSize, parallelization, salt, digest };
}

function parseBcrypt(algorithm: BcryptHash["algorithm"], fields: readonly string[]): PasswordHash {
  const [empty, variant = "", costText = "", text = ""] = fields;
  if (empty !== "" || fields.length !== 4 || !BCRYPT_COST.test(costText)) return unsupported("malformed");
  // They tell apart the faults that some implementations once had with longer passwords; Django's had none.
  if (variant !== "2a" && variant !== "2b" && variant !== "2y") return unsupported("unknown algorithm");
  const cost = Number(costText);
  const salt = fromBcryptBase64(text.slice(0, 22));
  const digest = fromBcryptBase64(text.slice(22));
  if (salt?.length !== BCRYPT_SALT_LENGTH || digest?.length !== DIGEST_LENGTHS.bcrypt) {
    return unsupported("malformed");
  }
  if (cost < BCRYPT_COST_MIN) return unsupported("malformed");
  if (cost > BCRYPT_COST_MAX) return unsupported("cost above the ceiling");
  return { algorithm, cost, salt, digest };
}

function parseDigest(algorithm: DigestHash["algorithm"], fields: readonly string[]): PasswordHash {
  const [salt, hex] = fields;
  if (salt === undefined || hex === undefined || fields.length !== 2) return unsupported("malformed");
  if (salt !== "" && !isSaltText(salt)) return unsupported("malformed");
  const length = algorithm === "md5" ? MD5_LENGTH : SHA1_LENGTH;
  if (!LOWER_HEX.test(hex) || hex.length !== 2 * length) return unsupported("malformed");
  return {
    algorithm,
    salt,
    digest: Uint8Array.from({ length }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16)),
  };
}

const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;
const ARGON2_COSTS = /^m=(\d+),t=(\d+),p=(\d+)$/;
const VERSIONS: Readonly<Record<string, 16 | 19>> = { "v=16": 16, "v=19": 19 };
const BCRYPT_COST = /^\d\d$/;
const LOWER_HEX = /^[\da-f]+$/;
/** Nine digits and no leading zero: more than any ceiling, and exact as a number. */
const DECIMAL = /^[1-9]\d{0,8}$/;

function unsupported(reason: UnsupportedReason): PasswordHash {
  return { algorithm: "unsupported", reason };
}

function decimal(text: string | undefined): number | null {
  return text !== undefined && DECIMAL.test(text) ? Number(text) : null;
}

function isSaltText(salt: string): boolean {
  return PRINTABLE_ASCII.test(salt) && salt.length <= SALT_LENGTH_MAX;
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

const BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** bcrypt's base64: the same bits under another alphabet, without padding; canonical as well. */
function fromBcryptBase64(text: string): Uint8Array | null {
  const places = Array.from(text, (character) => BCRYPT_ALPHABET.indexOf(character));
  if (places.includes(-1)) return null;
  return fromBase64(padded(places.map((place) => BASE64_ALPHABET.charAt(place)).join("")));
}
