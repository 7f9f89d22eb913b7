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

/** SHA-1 is computed by a script and not by WebAssembly: about a second and a half of CPU. */
export const PBKDF2_SHA1_ITERATIONS_MAX = 1_000_000;

/** N·r·p: the runtime's own ceiling, here and deployed. Django's default is 655,360, half a second of CPU at most. */
export const SCRYPT_WORK_MAX = 2 ** 20;
/** Bytes, 128·N·r: beside everything else that an isolate of 128 MB holds. */
export const SCRYPT_MEMORY_MAX = 2 ** 25;
export const SCRYPT_DIGEST_LENGTH = 64;

/** Django's default is 12; each step doubles the time, and this one takes about a second and a half of CPU. */
export const BCRYPT_COST_MAX = 14;

export interface Pbkdf2Hash {
  readonly algorithm: "pbkdf2_sha256" | "pbkdf2_sha1";
  readonly iterations: number;
  /** The text itself is the salt: Django does not decode it. ASCII, without `$`. */
  readonly salt: string;
  readonly digest: Uint8Array;
}

export const ARGON2_TYPES = ["argon2d", "argon2i", "argon2id"] as const;
export interface Argon2Hash {
  readonly algorithm: "argon2";
  readonly type: (typeof ARGON2_TYPES)[number];
  /** 16 is what Argon2 was before its last change (2016). */
  readonly version: 16 | 19;
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

/** RFC 7914. */
export interface ScryptHash {
  readonly algorithm: "scrypt";
  /** N, a power of two. */
  readonly cost: number;
  /** r. */
  readonly blockSize: number;
  /** p. */
  readonly parallelism: number;
  /** The text itself is the salt. */
  readonly salt: string;
  readonly digest: Uint8Array;
}

export interface BcryptHash {
  readonly algorithm: "bcrypt" | "bcrypt_sha256";
  /** In bcrypt's own encoding, with cost and salt: `$2b$12$…`. */
  readonly encoded: string;
}

/** One round of a fast digest over salt and password: no protection at all, so a login replaces it (HASH-06). */
export interface DigestHash {
  readonly algorithm: "md5" | "sha1";
  /** Empty for Django's unsalted kinds. */
  readonly salt: string;
  readonly digest: Uint8Array;
}

export type PasswordHash =
  | Pbkdf2Hash
  | Argon2Hash
  | ScryptHash
  | BcryptHash
  | DigestHash
  /** Django's "no password can match": a leading `!`. */
  | { readonly algorithm: "unusable" }
  | { readonly algorithm: "unsupported"; readonly reason: UnsupportedReason };

/** For audit and import reports; it tells nothing about the password. */
export type UnsupportedReason = "unknown algorithm" | "malformed" | "cost above the ceiling";

/**
 * Reads one encoded hash. Never throws: whatever cannot be verified is `unsupported` with the reason.
 * The grammar is the one of Django's hashers (`django.contrib.auth.hashers`, 3.2 to 6.0), in exactly the
 * spelling Django writes.
 */
export function parsePasswordHash(encoded: string): PasswordHash {
  if (encoded.startsWith("!")) return { algorithm: "unusable" };
  if (encoded.length > ENCODED_LENGTH_MAX) return unsupported("malformed");
  if (MD5_ALONE.test(encoded)) return parseDigest("md5", ["", encoded]);
  const [name, ...fields] = encoded.split("$");
  switch (name) {
    case "pbkdf2_sha256":
    case "pbkdf2_sha1":
      return parsePbkdf2(name, fields);
    case "argon2":
      return parseArgon2(fields);
    case "scrypt":
      return parseScrypt(fields);
    case "bcrypt":
    case "bcrypt_sha256":
      return parseBcrypt(name, encoded.slice(name.length + 1));
    case "md5":
    case "sha1":
      return parseDigest(name, fields);
    default:
      return unsupported("unknown algorithm");
  }
}

function parsePbkdf2(algorithm: Pbkdf2Hash["algorithm"], fields: readonly string[]): PasswordHash {
  const [iterationText, salt, digestText] = fields;
  if (iterationText === undefined || salt === undefined || digestText === undefined || fields.length !== 3) {
    return unsupported("malformed");
  }
  const iterations = decimal(iterationText);
  const digest = fromBase64(digestText);
  const { digestLength, iterationsMax } = PBKDF2[algorithm];
  if (iterations === null || digest?.length !== digestLength) return unsupported("malformed");
  if (!isTextSalt(salt)) return unsupported("malformed");
  if (iterations > iterationsMax) return unsupported("cost above the ceiling");
  return { algorithm, iterations, salt, digest };
}

/** `scrypt$N$salt$r$p$digest`. */
function parseScrypt(fields: readonly string[]): PasswordHash {
  const [costText, salt, blockText, parallelText, digestText] = fields;
  const cost = decimal(costText);
  const blockSize = decimal(blockText);
  const parallelism = decimal(parallelText);
  const digest = fromBase64(digestText ?? "");
  if (cost === null || blockSize === null || parallelism === null || salt === undefined) {
    return unsupported("malformed");
  }
  if (fields.length !== 5 || digest?.length !== SCRYPT_DIGEST_LENGTH || !isTextSalt(salt)) {
    return unsupported("malformed");
  }
  if (cost < 2 || !Number.isInteger(Math.log2(cost))) return unsupported("malformed");
  const affordable =
    cost * blockSize * parallelism <= SCRYPT_WORK_MAX && 128 * cost * blockSize <= SCRYPT_MEMORY_MAX;
  if (!affordable) return unsupported("cost above the ceiling");
  return { algorithm: "scrypt", cost, blockSize, parallelism, salt, digest };
}

function parseBcrypt(algorithm: BcryptHash["algorithm"], encoded: string): PasswordHash {
  const cost = Number(BCRYPT.exec(encoded)?.[1] ?? Number.NaN);
  if (!(cost >= 4 && cost <= 31)) return unsupported("malformed");
  if (cost > BCRYPT_COST_MAX) return unsupported("cost above the ceiling");
  return { algorithm, encoded };
}

/** `md5$salt$digest` and `sha1$salt$digest`; unsalted, the salt is empty. */
function parseDigest(algorithm: DigestHash["algorithm"], fields: readonly string[]): PasswordHash {
  const [salt, digestText] = fields;
  const digest = fromHex(digestText ?? "");
  if (salt === undefined || fields.length !== 2 || digest?.length !== DIGEST_LENGTHS[algorithm]) {
    return unsupported("malformed");
  }
  if (salt !== "" && !isTextSalt(salt)) return unsupported("malformed");
  return { algorithm, salt, digest };
}

function parseArgon2(fields: readonly string[]): PasswordHash {
  // Without `v=` it is version 16, which Django 1.10 wrote.
  const [typeName, versionText, costs, saltText, digestText] = fields[1]?.startsWith("v=")
    ? fields
    : [fields[0], "v=16", ...fields.slice(1)];
  const type = ARGON2_TYPES.find((one) => one === typeName);
  const version = ARGON2_VERSIONS.find((one) => `v=${one}` === versionText);
  if (type === undefined || version === undefined) return unsupported("unknown algorithm");
  const isWhole = fields.length === (fields[1]?.startsWith("v=") ? 5 : 4);
  if (costs === undefined || saltText === undefined || digestText === undefined || !isWhole) {
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
  return { algorithm: "argon2", type, version, memoryKib, passes, lanes, salt, digest };
}

const PBKDF2 = {
  pbkdf2_sha256: { digestLength: PBKDF2_DIGEST_LENGTH, iterationsMax: PBKDF2_ITERATIONS_MAX },
  pbkdf2_sha1: { digestLength: 20, iterationsMax: PBKDF2_SHA1_ITERATIONS_MAX },
} as const;
const ARGON2_VERSIONS = [16, 19] as const;
const DIGEST_LENGTHS = { md5: 16, sha1: 20 } as const;
/** Django's oldest spelling of an unsalted MD5. */
const MD5_ALONE = /^[0-9a-f]{32}$/;
/** Cost, then 22 characters of salt and 31 of digest in bcrypt's own alphabet. */
const BCRYPT = /^\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const HEX = /^(?:[0-9a-f]{2})+$/;

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

/** A salt that is its own text: not decoded, and without `$`. */
function isTextSalt(salt: string): boolean {
  return PRINTABLE_ASCII.test(salt) && salt.length <= PBKDF2_SALT_LENGTH_MAX;
}

/** Lower case, as Django writes and compares it. */
function fromHex(text: string): Uint8Array | null {
  if (!HEX.test(text)) return null;
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
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
