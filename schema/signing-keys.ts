/**
 * The private JWK set of `JWT_SIGNING_KEYS`, read strictly (RFC 7517, RFC 8037, RFC 7518). Two
 * members are ours and give a key its life (TOK-11): `iat`, from when it may sign, and `exp`, from
 * when it signs nothing more. That its parts belong together takes cryptography: see the key ring.
 */
import { z } from "zod";
import type { NumericDate } from "./time.ts";

export type SigningAlgorithm = "EdDSA" | "ES256" | "HS256";

/** One private key. `jwk` is null for HS256, whose key is `secret`. */
export type SigningKey = {
  kid: string;
  algorithm: SigningAlgorithm;
  jwk: PrivateJwk | null;
  secret: string | null;
  createdAt: NumericDate;
  endsAt: NumericDate | null;
};
/** Newest first; of two that are equally old, the one that comes first in the set. */
export type SigningKeys = SigningKey[];
/** When a key begins and ends. */
export type KeyLife = Pick<SigningKey, "createdAt" | "endsAt">;

export type PrivateJwk =
  | { kty: "OKP"; crv: "Ed25519"; x: string; d: string }
  | { kty: "EC"; crv: "P-256"; x: string; y: string; d: string };

const HS256_KID = "hs256";
/** When the secret beside a set may sign: it was replaced by the set, and only verifies (contract §2: alone). */
const NEVER = Number.POSITIVE_INFINITY;
const KEYS_MAX = 16;
/** 32 bytes in their one spelling: the two bits that the last character has to spare are zero. */
const coordinate = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/);
const ours = {
  kid: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  use: z.literal("sig").optional(),
  key_ops: z
    .array(z.string())
    .refine((operations) => operations.includes("sign"))
    .optional(),
  iat: z.int().nonnegative().optional(),
  exp: z.int().nonnegative().optional(),
};
const jwk = z.discriminatedUnion("kty", [
  z.object({
    ...ours,
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    alg: z.enum(["EdDSA", "Ed25519"]).optional(),
    x: coordinate,
    d: coordinate,
  }),
  z.object({
    ...ours,
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    alg: z.literal("ES256").optional(),
    x: coordinate,
    y: coordinate,
    d: coordinate,
  }),
]);
const jwkSet = z.object({ keys: z.array(jwk).min(1).max(KEYS_MAX) });

/** Reads the key set and the HS256 secret; either may be absent. Problems never quote a value. */
export function readSigningKeys(
  set: string,
  secret: string | null,
): { keys: SigningKeys; problems: string[] } {
  const keys: SigningKeys = [];
  const problems: string[] = [];
  if (set !== "") {
    const parsed = jwkSet.safeParse(parseJson(set));
    if (parsed.success) {
      for (const key of parsed.data.keys) keys.push(asSigningKey(key));
    } else {
      problems.push(
        `must be a private JWK set of 1 to ${KEYS_MAX} Ed25519 or P-256 signing keys, each with a kid`,
      );
    }
  }
  if (secret !== null) {
    const createdAt = set === "" ? 0 : NEVER;
    keys.push({ kid: HS256_KID, algorithm: "HS256", jwk: null, secret, createdAt, endsAt: null });
  }
  if (new Set(keys.map((key) => key.kid)).size !== keys.length) problems.push("has two keys of one kid");
  if (keys.some(({ createdAt, endsAt }) => endsAt !== null && endsAt <= createdAt))
    problems.push("has a key whose exp is not after its iat");
  return { keys: keys.sort((one, other) => other.createdAt - one.createdAt), problems };
}

/** True from a key's `iat` until its `exp`. The newest key of which it is true is the one that signs. */
export function maySign({ createdAt, endsAt }: KeyLife, now: NumericDate): boolean {
  return createdAt <= now && (endsAt === null || now < endsAt);
}

/**
 * True as long as a token of this key can be alive: before it signs, so that who caches public
 * keys knows it in time, and after its end for one life of an access token.
 */
export function mayVerify({ endsAt }: KeyLife, now: NumericDate, accessTokenTtlSeconds: number): boolean {
  return endsAt === null || now < endsAt + accessTokenTtlSeconds;
}

function asSigningKey(key: z.infer<typeof jwk>): SigningKey {
  const { kty, x, d } = key;
  const common = { kid: key.kid, secret: null, createdAt: key.iat ?? 0, endsAt: key.exp ?? null };
  return kty === "OKP"
    ? { ...common, algorithm: "EdDSA", jwk: { kty, crv: key.crv, x, d } }
    : { ...common, algorithm: "ES256", jwk: { kty, crv: key.crv, x, y: key.y, d } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
