/** `npm run keys:new` as a process: what it prints, and that it prints it nowhere else. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { calculateJwkThumbprint } from "jose";
import { describe, expect, it } from "vitest";
import { type Config, readConfig } from "../../schema/config.ts";
import { readSigningKeys } from "../../schema/signing-keys.ts";
import { ensureDevSecrets } from "../../scripts/dev-secrets.ts";
import { publicKeys, signingKey } from "../../worker/tokens/keyring.ts";

const CLI = join(import.meta.dirname, "../../worker/tokens/new-key.cli.ts");
const YEARS_AHEAD = 4_000_000_000;

type Run = { status: number | null; stdout: string; stderr: string };

async function run(options: string[], input = ""): Promise<Run> {
  const child = spawn(process.execPath, [CLI, ...options]);
  const status = new Promise<number | null>((resolve) => child.once("close", resolve));
  child.stdin.on("error", () => undefined); // it may have ended before it read anything
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await status, stdout, stderr };
}

async function made(...options: string[]) {
  return JSON.parse((await run(options)).stdout);
}

function configOf(set: string): Config {
  const secret = "0123456789 abcdefghijklmnopqrstuvwxyz";
  const reading = readConfig({
    JWT_SIGNING_KEYS: set,
    REFRESH_TOKEN_SECRET: secret,
    DATA_ENCRYPTION_KEY: secret,
  });
  if (reading.kind === "wrong") throw new Error(JSON.stringify(reading.problems));
  return reading.config;
}
const setOf = (...keys: unknown[]): string => JSON.stringify({ keys });

function expectNoSecret(stderr: string, keys: { d?: string; x?: string; y?: string }[]): void {
  for (const { d, x, y } of keys) {
    for (const part of [d, x, y]) if (part !== undefined) expect(stderr).not.toContain(part);
  }
}

describe("keys:new", () => {
  it.each(["EdDSA", "ES256"])("prints one line: a private %s key that the service accepts", async (alg) => {
    const { status, stdout, stderr } = await run(["--alg", alg]);
    expect(status).toBe(0);
    expect(stdout.split("\n")).toEqual([expect.stringMatching(/^\{.*\}$/), ""]);
    const jwk = JSON.parse(stdout);
    expect(jwk).toMatchObject({ alg, use: "sig", kid: expect.stringMatching(/^[\w-]{11}$/) });
    expect(jwk).not.toHaveProperty("exp");
    expect(stderr).toContain(jwk.kid);
    expectNoSecret(stderr, [jwk]);

    const { keys, problems } = readSigningKeys(setOf(jwk), null);
    expect(problems).toEqual([]);
    expect(keys).toMatchObject([{ kid: jwk.kid, algorithm: alg, createdAt: jwk.iat, endsAt: null }]);
    const config = configOf(setOf(jwk));
    expect((await signingKey(config, jwk.iat)).kid).toBe(jwk.kid);
    expect((await publicKeys(config, jwk.iat)).keys[0]).not.toHaveProperty("d");
  });

  it("makes an EdDSA key unless told otherwise, and never the same one twice", async () => {
    const [one, other] = await Promise.all([made(), made()]);
    expect([one.alg, one.crv]).toEqual(["EdDSA", "Ed25519"]);
    expect(one.kid).not.toBe(other.kid);
    expect(await calculateJwkThumbprint(one)).not.toBe(await calculateJwkThumbprint(other));
  });

  it("gives a key an end, and a beginning that leaves caches the time to learn it", async () => {
    const jwk = await made("--ends-in", "90", "--starts-in", "10");
    expect(jwk.exp - jwk.iat).toBe(90 * 86_400 - 10 * 60);
  });

  it("--set puts the new key in front of the set on stdin, and keeps what is there", async () => {
    const old = { ...(await made()), "a member": "of its own" };
    const { status, stdout, stderr } = await run(["--set", "--alg", "ES256"], `${setOf(old)}\n`);
    expect(status).toBe(0);
    const { keys } = JSON.parse(stdout);
    expect(keys[0]).toMatchObject({ alg: "ES256" });
    expect(keys.slice(1)).toEqual([old]);
    expect(readSigningKeys(stdout.trim(), null).problems).toEqual([]);
    expectNoSecret(stderr, keys);
  });

  it("--set refuses a set that the service would refuse, and tells nothing of it", async () => {
    const { d, ...open } = await made();
    const full = Array.from({ length: 16 }, (_, i) => ({ ...open, d, kid: `k${i}` }));
    const twice = setOf({ ...open, d }, { ...open, d });
    const inputs = ["", "{}", d, setOf(open), twice, setOf(...full)];
    for (const { status, stdout, stderr } of await Promise.all(
      inputs.map((input) => run(["--set"], input)),
    )) {
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^keys:new: the set .+\n$/);
      expectNoSecret(stderr, [{ ...open, d }]);
    }
  });

  it("prints nothing but its usage when it is asked for something else", async () => {
    const wrong = [
      ["--alg", "HS256"],
      ["--ends-in", "0"],
      ["--ends-in", "1.5"],
      ["--starts-in", "1440", "--ends-in", "1"],
      ["--unknown"],
      ["positional"],
    ];
    for (const { status, stdout, stderr } of await Promise.all(wrong.map((options) => run(options)))) {
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^keys:new: (?:usage: |the key would end before it starts)/);
    }
  });
});

it("the first start's development secrets hold a key of the same kind, and only their owner reads it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "secrets-"));
  try {
    const path = join(folder, ".dev.vars");
    expect(await ensureDevSecrets(path)).toContain("JWT_SIGNING_KEYS");
    const [, set = ""] = /^JWT_SIGNING_KEYS='(.*)'$/m.exec(readFileSync(path, "utf8")) ?? [];
    expect((await signingKey(configOf(set), YEARS_AHEAD)).algorithm).toBe("EdDSA");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await ensureDevSecrets(path)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
