import { argon2Sync, pbkdf2Sync, scryptSync } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MEMORY_KIB_MAX } from "../../../schema/password-hash.ts";
import { MODULES } from "../../../scripts/build-wasm.ts";
import type { Work } from "../../../worker/passwords/derive.ts";
import { type Argon2Input, createMemoryHard } from "../../../worker/passwords/memory-hard/engine.ts";
import { saltText } from "../../../worker/passwords/salt.ts";
import { compileWasm, memoryOf, recordInstances } from "../../support/wasm.ts";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const instances = recordInstances();
const engine = createMemoryHard(compileWasm(readFileSync(MODULES.memoryHard.wasm)));
const memory = () => memoryOf(instances[0]);
const utf8 = (text: string) => new TextEncoder().encode(text);

function finished({ derivation, steps }: Work, slice = steps): Uint8Array {
  for (let left = steps; left > 0; left -= slice) derivation.advance(Math.min(left, slice));
  return derivation.finish();
}

const argon2 = (input: Argon2Input, slice?: number) => finished(engine.argon2(input), slice);
const native = ({ type, password, salt, memoryKib, passes, lanes, digestLength }: Argon2Input) =>
  new Uint8Array(
    argon2Sync(type, {
      message: password,
      nonce: salt,
      memory: memoryKib,
      passes,
      parallelism: lanes,
      tagLength: digestLength,
    }),
  );
const COSTS = {
  type: "argon2id",
  version: 19,
  memoryKib: 64,
  passes: 1,
  lanes: 1,
  digestLength: 32,
} as const;

describe(`Argon2 against node:crypto, seed ${SEED}`, () => {
  const input = fc
    .record({
      type: fc.constantFrom("argon2d", "argon2i", "argon2id"),
      version: fc.constant(19 as const),
      password: fc.uint8Array({ maxLength: 1_024, size: "max" }),
      salt: fc.uint8Array({ minLength: 8, maxLength: 64, size: "max" }),
      memoryPerLane: fc.integer({ min: 8, max: 600 }),
      passes: fc.integer({ min: 1, max: 4 }),
      lanes: fc.integer({ min: 1, max: 8 }),
      digestLength: fc.integer({ min: 4, max: 64 }),
    } as const)
    .map(({ memoryPerLane, ...rest }) => ({ ...rest, memoryKib: memoryPerLane * rest.lanes }));

  test("HASH-01: any type, input and costs, in slices of any length, give Node's result", () => {
    const property = fc.property(input, fc.integer({ min: 1, max: 3_000 }), (each, slice) => {
      expect(argon2(each, slice)).toEqual(native(each));
    });
    fc.assert(property, { seed: SEED, numRuns: 150 });
  });

  test("HASH-01: the least memory of every number of lanes, in every type, gives Node's result", () => {
    for (const type of ["argon2d", "argon2i", "argon2id"] as const) {
      for (let lanes = 1; lanes <= 16; lanes += 1) {
        const each = { ...COSTS, type, lanes, memoryKib: 8 * lanes + 3, passes: 3 };
        const costs = { ...each, password: utf8("password"), salt: utf8("some salt") };
        expect(argon2(costs, 1), `${type} ${lanes}`).toEqual(native(costs));
      }
    }
  });

  test("HASH-07: a hash of the current scheme is Node's", () => {
    const costs = { ...COSTS, memoryKib: 19_456, passes: 2, password: utf8("pw"), salt: utf8("some salt") };
    expect(argon2(costs, 2_500)).toEqual(native(costs));
  });
});

describe(`scrypt against node:crypto, seed ${SEED}`, () => {
  test("HASH-01: any costs, in slices of any length, give Node's result", () => {
    const input = fc.record({
      cost: fc.integer({ min: 1, max: 9 }).map((log) => 2 ** log),
      blockSize: fc.integer({ min: 1, max: 9 }),
      parallelization: fc.integer({ min: 1, max: 5 }),
      salt: fc.uint8Array({ maxLength: 64 }),
      slice: fc.integer({ min: 1, max: 999 }),
    });
    const property = fc.property(input, ({ cost, blockSize, parallelization, salt, slice }) => {
      const password = utf8("señal débil ☂");
      const blocks = pbkdf2Sync(password, salt, 1, parallelization * 128 * blockSize, "sha256");
      const mixed = finished(engine.scrypt({ cost, blockSize, blocks }), slice);
      const options = { N: cost, r: blockSize, p: parallelization };
      expect(pbkdf2Sync(password, mixed, 1, 64, "sha256")).toEqual(scryptSync(password, salt, 64, options));
    });
    fc.assert(property, { seed: SEED, numRuns: 100 });
  });
});

test("no byte of a password, and of what was made of it, stays in the module: after a result or an abort", () => {
  const password = utf8("a password nobody else would have thought of");
  const costs = { ...COSTS, password, salt: utf8("some salt") };
  const isClean = () =>
    memory()
      .subarray(65_536)
      .every((byte) => byte === 0) && Buffer.from(memory()).indexOf(password) === -1;
  argon2(costs);
  expect(isClean()).toBe(true);
  const { derivation } = engine.argon2(costs);
  derivation.advance(10);
  expect(isClean()).toBe(false);
  derivation.abort();
  expect(isClean()).toBe(true);
  finished(engine.scrypt({ cost: 16, blockSize: 1, blocks: new Uint8Array(128).fill(1) }));
  expect(isClean()).toBe(true);
});

test("two derivations at a time, and one that is over, are refused", () => {
  const costs = { ...COSTS, password: utf8("password"), salt: utf8("some salt") };
  const { derivation } = engine.argon2(costs);
  expect(() => engine.argon2(costs)).toThrow("one derivation at a time");
  derivation.abort();
  expect(() => derivation.advance(1)).toThrow("derivation is under way");
  expect(() => derivation.finish()).toThrow("derivation is under way");
});

test("memory grows to the dearest hash that is accepted and stays there over 200 verifications", () => {
  const costs = { ...COSTS, password: utf8("password"), salt: utf8("some salt") };
  argon2({ ...costs, memoryKib: MEMORY_KIB_MAX });
  const grown = memory().byteLength;
  expect(grown).toBeLessThanOrEqual((MEMORY_KIB_MAX + 64) * 1_024);
  for (let count = 0; count < 200; count += 1) argon2({ ...costs, memoryKib: 1_024 + count });
  argon2({ ...costs, memoryKib: MEMORY_KIB_MAX });
  expect(memory().byteLength).toBe(grown);
});

test("HASH-07: a salt is 22 letters or digits, each of the 62 as likely as the other", () => {
  const counts = new Map<string, number>();
  for (let first = 0; first < 256; first += 1) {
    const bytes = new Uint8Array(64).fill(255);
    bytes.fill(first, 0, 1).fill(0, 1, 40);
    const salt = saltText(() => bytes);
    expect(salt).toMatch(/^[A-Za-z0-9]{22}$/);
    if (first < 248) counts.set(salt.charAt(0), (counts.get(salt.charAt(0)) ?? 0) + 1);
  }
  expect([...counts.values()]).toEqual(new Array(62).fill(4));
});

test("a source of random bytes that is stuck is refused", () => {
  expect(() => saltText((length) => new Uint8Array(length).fill(255))).toThrow(
    "the source of random bytes is random",
  );
});
