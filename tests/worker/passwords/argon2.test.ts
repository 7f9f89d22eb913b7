import { argon2Sync, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ARGON2_MEMORY_KIB_MAX } from "../../../schema/password-hash.ts";
import { type Argon2Input, createArgon2 } from "../../../worker/passwords/argon2/engine.ts";
import { saltText } from "../../../worker/passwords/argon2/salt.ts";
import { compileWasm, memoryOf, recordInstances } from "../../support/wasm.ts";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const wasm = readFileSync(createRequire(import.meta.url).resolve("@phi-ag/argon2/argon2.wasm"));
const module = compileWasm(wasm);
const instances = recordInstances();
const argon2 = createArgon2(module);
const ID = { type: "argon2id", version: 19 } as const;
const memory = () => memoryOf(instances[0]);
const utf8 = (text: string) => new TextEncoder().encode(text);

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

test("the third-party argon2.wasm is the one that was reviewed", () => {
  expect(createHash("sha256").update(wasm).digest("hex")).toBe(
    "38f461d188b5dc980881ed92f9ecc12473e9206a588625e3ef0c4c5125dc85b1",
  );
  expect(WebAssembly.Module.imports(module)).toEqual([]);
});

test(`HASH-01: any input gives the result of node:crypto, seed ${SEED}`, () => {
  const input = fc.record({
    type: fc.constantFrom("argon2d", "argon2i", "argon2id"),
    version: fc.constant(19),
    password: fc.uint8Array({ maxLength: 1_024, size: "max" }),
    salt: fc.uint8Array({ minLength: 8, maxLength: 64, size: "max" }),
    memoryKib: fc.integer({ min: 128, max: 512 }),
    passes: fc.integer({ min: 1, max: 4 }),
    lanes: fc.integer({ min: 1, max: 8 }),
    digestLength: fc.integer({ min: 16, max: 64 }),
  });
  const property = fc.property(input, (each) => {
    expect(argon2(each)).toEqual(native(each));
  });
  fc.assert(property, { seed: SEED, numRuns: 60 });
});

test("PWD-04: a password that is not ASCII is hashed to its last byte", () => {
  const costs = {
    ...ID,
    salt: utf8("salt of 22 characters!"),
    memoryKib: 64,
    passes: 1,
    lanes: 1,
    digestLength: 32,
  };
  const digest = argon2({ password: utf8("señal débil ☂"), ...costs });
  expect(digest).toEqual(native({ password: utf8("señal débil ☂"), ...costs }));
  expect(digest).not.toEqual(argon2({ password: utf8("señal débil ☃"), ...costs }));
});

test("no byte of a password stays in the module", () => {
  const password = utf8("a password nobody else would have thought of");
  argon2({ ...ID, password, salt: utf8("some salt"), memoryKib: 64, passes: 1, lanes: 1, digestLength: 32 });
  // The allocator writes over the first bytes of what is freed, so it is the end that would be left.
  expect(Buffer.from(memory()).indexOf(password.subarray(24))).toBe(-1);
});

test("memory grows to the dearest hash that is accepted and stays there over 200 verifications", () => {
  const costs = { ...ID, password: utf8("password"), salt: utf8("some salt"), lanes: 1, digestLength: 32 };
  argon2({ ...costs, memoryKib: ARGON2_MEMORY_KIB_MAX, passes: 1 });
  const grown = memory().byteLength;
  expect(grown).toBeLessThan((ARGON2_MEMORY_KIB_MAX + 4_096) * 1_024);
  for (let count = 0; count < 200; count += 1) argon2({ ...costs, memoryKib: 1_024 + count, passes: 1 });
  argon2({ ...costs, memoryKib: ARGON2_MEMORY_KIB_MAX, passes: 1 });
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
