/** The ring on the platform's own cryptography, against keys and signatures that others made. */
import { CompactSign, compactVerify, decodeProtectedHeader, errors } from "jose";
import { describe, expect, it } from "vitest";
import { type Config, readConfig } from "../../../schema/config.ts";
import { readSigningKeys } from "../../../schema/signing-keys.ts";
import { isCompactJws } from "../../../worker/tokens/compact.ts";
import { publicKeys, signingKey, verificationKey } from "../../../worker/tokens/keyring.ts";
import { newSigningJwk } from "../../../worker/tokens/new-key.ts";
import wycheproof from "../../vectors/wycheproof-jws-es256.json";

const NOW = 1_000_000;
const TTL = 600;

/** RFC 8037 appendix A: an Ed25519 key, and what it signs "Example of Ed25519 signing" to. */
const RFC_8037 = {
  jwk: {
    kty: "OKP",
    crv: "Ed25519",
    kid: "rfc8037",
    d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  },
  payload: "Example of Ed25519 signing",
  jws: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
};

function configOf(...keys: object[]): Config {
  const reading = readConfig({
    JWT_SIGNING_KEYS: JSON.stringify({ keys }),
    REFRESH_TOKEN_SECRET: "0123456789 abcdefghijklmnopqrstuvwxyz",
    DATA_ENCRYPTION_KEY: "9876543210 zyxwvutsrqponmlkjihgfedcba",
    ACCESS_TOKEN_TTL: String(TTL),
  });
  if (reading.kind === "wrong") throw new Error(JSON.stringify(reading.problems));
  return reading.config;
}

/** The steps of a token's check that come before its claims. */
async function isAuthentic(config: Config, jws: string): Promise<boolean> {
  if (!isCompactJws(jws)) return false;
  try {
    const key = await verificationKey(config, decodeProtectedHeader(jws).kid, NOW);
    if (key === null) return false;
    await compactVerify(jws, key.verifyKey, { algorithms: [key.algorithm] });
    return true;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}

describe("foreign vectors", () => {
  it("Wycheproof: every ES256 signature is judged as it should be", async () => {
    let judged = 0;
    for (const group of wycheproof.testGroups) {
      const set = JSON.stringify({ keys: [group.private] });
      const isAccepted = readSigningKeys(set, null).problems.length === 0;
      // A key that is for something else does not even become part of a ring.
      expect(isAccepted, group.comment).toBe(group.comment !== "ec_key_for_encryption");
      for (const { tcId, result, jws } of group.tests) {
        const verdict = isAccepted && (await isAuthentic(configOf(group.private), jws));
        expect(verdict, `tcId ${tcId}`).toBe(result === "valid");
        judged += 1;
      }
    }
    expect(judged).toBe(wycheproof.numberOfTests);
  });

  it("RFC 8037 appendix A.4: Ed25519 signs to the very same text", async () => {
    const { key, verifyKey } = await signingKey(configOf(RFC_8037.jwk), NOW);
    const payload = new TextEncoder().encode(RFC_8037.payload);
    expect(await new CompactSign(payload).setProtectedHeader({ alg: "EdDSA" }).sign(key)).toBe(RFC_8037.jws);
    const verified = await compactVerify(RFC_8037.jws, verifyKey, { algorithms: ["EdDSA"] });
    expect(new TextDecoder().decode(verified.payload)).toBe(RFC_8037.payload);
  });

  it("a token without a kid is refused, however good its signature", async () => {
    expect(await isAuthentic(configOf(RFC_8037.jwk), RFC_8037.jws)).toBe(false);
  });
});

describe("a key's life", () => {
  it("TOK-11: before its iat published and verifying, then signing, then verifying for one token life, then gone", async () => {
    const old = { ...(await newSigningJwk("EdDSA", { createdAt: 1, endsAt: null })), kid: "old" };
    const key = { ...(await newSigningJwk("ES256", { createdAt: NOW, endsAt: NOW + 100 })), kid: "new" };
    const config = configOf(old, key);
    const at = async (now: number) => ({
      signs: (await signingKey(config, now)).kid,
      verifies: (await verificationKey(config, "new", now)) !== null,
      published: (await publicKeys(config, now)).keys.map(({ kid }) => kid),
    });
    const both = ["new", "old"];
    expect(await at(NOW - 1)).toEqual({ signs: "old", verifies: true, published: both });
    expect(await at(NOW)).toEqual({ signs: "new", verifies: true, published: both });
    expect(await at(NOW + 99)).toEqual({ signs: "new", verifies: true, published: both });
    expect(await at(NOW + 100)).toEqual({ signs: "old", verifies: true, published: both });
    expect(await at(NOW + 100 + TTL - 1)).toEqual({ signs: "old", verifies: true, published: both });
    expect(await at(NOW + 100 + TTL)).toEqual({ signs: "old", verifies: false, published: ["old"] });
  });
});

describe("halves that do not belong together", () => {
  it.each(["EdDSA", "ES256"] as const)("%s: the ring opens for nothing at all", async (algorithm) => {
    const life = { createdAt: 1, endsAt: null };
    const [good, one, other] = await Promise.all([
      newSigningJwk("EdDSA", life),
      newSigningJwk(algorithm, life),
      newSigningJwk(algorithm, life),
    ]);
    const { d: _own, ...open } = one;
    const config = configOf(good, { ...open, d: other.d });
    const refusal = {
      code: "misconfigured",
      extras: { detail: expect.stringContaining("JWT_SIGNING_KEYS") },
    };
    await expect(signingKey(config, NOW)).rejects.toMatchObject(refusal);
    await expect(verificationKey(config, good.kid, NOW)).rejects.toMatchObject(refusal);
    await expect(publicKeys(config, NOW)).rejects.toMatchObject(refusal);
  });

  it("nor for a point that is not on the curve", async () => {
    const key = await newSigningJwk("ES256", { createdAt: 1, endsAt: null });
    await expect(signingKey(configOf({ ...key, y: key.x }), NOW)).rejects.toMatchObject({
      code: "misconfigured",
    });
  });
});
