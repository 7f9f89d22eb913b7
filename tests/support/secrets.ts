/** Secrets of the tests, made anew for each run: none of them is ever in the repository. */
import { generateKeyPairSync, randomBytes } from "node:crypto";

function newJwk(kid: string, iat: number): Record<string, unknown> {
  const { privateKey } = generateKeyPairSync("ed25519");
  return { ...privateKey.export({ format: "jwk" }), kid, alg: "EdDSA", use: "sig", iat };
}

export const TEST_SECRETS = {
  JWT_SIGNING_KEYS: JSON.stringify({ keys: [newJwk("test-old", 1), newJwk("test-new", 2)] }),
  REFRESH_TOKEN_SECRET: randomBytes(32).toString("base64url"),
  DATA_ENCRYPTION_KEY: randomBytes(32).toString("base64url"),
  ADMIN_TOKEN: randomBytes(32).toString("base64url"),
};
