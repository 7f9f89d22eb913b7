/** Makes signing keys. For the command line alone: a Worker is given its keys and never makes one. */
import { base64url, exportJWK, generateKeyPair, type JWK } from "jose";
import type { SigningAlgorithm } from "../../schema/signing-keys.ts";
import type { NumericDate } from "../../schema/time.ts";
import { randomBytes } from "../entropy.ts";

export type NewKeyAlgorithm = Exclude<SigningAlgorithm, "HS256">;
export const NEW_KEY_ALGORITHMS = ["EdDSA", "ES256"] as const satisfies readonly NewKeyAlgorithm[];

/** A private JWK (RFC 7517) with the two members that give it its life. */
export type NewJwk = JWK & {
  kid: string;
  alg: NewKeyAlgorithm;
  use: "sig";
  iat: NumericDate;
  exp?: NumericDate;
};

/** It tells the keys of one set apart and is in every token: 64 bits do. */
const KID_BYTES = 8;

/** A private key as `JWT_SIGNING_KEYS` wants it, with a random `kid`. */
export async function newSigningJwk(
  algorithm: NewKeyAlgorithm,
  { createdAt, endsAt }: { createdAt: NumericDate; endsAt: NumericDate | null },
): Promise<NewJwk> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  return {
    ...(await exportJWK(privateKey)),
    kid: base64url.encode(randomBytes(KID_BYTES)),
    alg: algorithm,
    use: "sig",
    iat: createdAt,
    ...(endsAt === null ? {} : { exp: endsAt }),
  };
}
