import { readFileSync } from "node:fs";
import bcryptjs from "bcryptjs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MODULES } from "../../../scripts/build-wasm.ts";
import { createBcrypt } from "../../../worker/passwords/bcrypt/engine.ts";
import { compileWasm, memoryOf, recordInstances } from "../../support/wasm.ts";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const COST = 4;
const module = compileWasm(readFileSync(MODULES.bcrypt.wasm));
const instances = recordInstances();
const bcrypt = createBcrypt(module);
const utf8 = (text: string) => new TextEncoder().encode(text);
const SALT = new Uint8Array(16).fill(7);

const theirs = (password: string, salt: Uint8Array) => {
  const encoded = bcryptjs.hashSync(password, `$2b$04$${bcryptjs.encodeBase64(salt, 16)}`);
  return Uint8Array.from(bcryptjs.decodeBase64(encoded.slice(29), 23));
};
const salts = fc.uint8Array({ minLength: 16, maxLength: 16 });
/** 72 bytes at most, and no NUL: bcryptjs reads a string up to there. */
const passwords = fc
  .string({ unit: fc.constantFrom(..."abcXYZ019 !é☂🦑"), maxLength: 80 })
  .map((text) => [...text].reduce((kept, each) => (utf8(kept + each).length > 72 ? kept : kept + each), ""));

test(`HASH-01: any password and salt, in any slices, gives the result of bcryptjs, seed ${SEED}`, () => {
  const property = fc.property(passwords, salts, fc.integer({ min: 0, max: 16 }), (password, salt, slice) => {
    const derivation = bcrypt.begin(utf8(password), salt);
    derivation.advance(slice);
    derivation.advance(2 ** COST - slice);
    expect(derivation.finish()).toEqual(theirs(password, salt));
  });
  fc.assert(property, { seed: SEED, numRuns: 100 });
});

test("HASH-01: every length up to 72 bytes gives the result of bcryptjs", () => {
  for (let length = 0; length <= 72; length += 1) {
    const password = "abcdefghi".repeat(8).slice(0, length);
    const derivation = bcrypt.begin(utf8(password), SALT);
    derivation.advance(2 ** COST);
    expect(derivation.finish(), String(length)).toEqual(theirs(password, SALT));
  }
});

test("HASH-01: derivations interleaved in one instance do not disturb each other", () => {
  const names = ["one", "two", "three"];
  const running = names.map((name) => bcrypt.begin(utf8(name), SALT));
  for (let step = 0; step < 2 ** COST; step += 1) for (const derivation of running) derivation.advance(1);
  expect(running.map((derivation) => derivation.finish())).toEqual(names.map((name) => theirs(name, SALT)));
});

test("no password-derived byte stays in the module: after a slice, a result or an abort", () => {
  createBcrypt(module);
  const [used, untouched] = [memoryOf(instances[0]), memoryOf(instances[1])];
  const derivation = bcrypt.begin(utf8("p".repeat(72)), SALT);
  expect(used).toEqual(untouched);
  derivation.advance(3);
  expect(used).toEqual(untouched);
  derivation.finish();
  expect(used).toEqual(untouched);
  bcrypt.begin(utf8("password"), SALT).abort();
  expect(used).toEqual(untouched);
});

test("what does not fit is refused, and a derivation that is over cannot be continued", () => {
  expect(() => bcrypt.begin(new Uint8Array(73), SALT)).toThrow("password fits the module");
  expect(() => bcrypt.begin(utf8("password"), new Uint8Array(15))).toThrow("salt fits the module");
  const derivation = bcrypt.begin(utf8("password"), SALT);
  derivation.abort();
  expect(() => derivation.advance(1)).toThrow("derivation is under way");
  expect(() => derivation.finish()).toThrow("derivation is under way");
});
