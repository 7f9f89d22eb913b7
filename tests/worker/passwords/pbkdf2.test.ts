import { pbkdf2Sync } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MODULES } from "../../../scripts/build-wasm.ts";
import { derive } from "../../../worker/passwords/derive.ts";
import { createPbkdf2 } from "../../../worker/passwords/pbkdf2/engine.ts";
import { ROUND_US, Slices } from "../../../worker/passwords/slices.ts";
import { compileWasm, memoryOf, recordInstances } from "../../support/wasm.ts";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const utf8 = (text: string) => new TextEncoder().encode(text);
const bytes = fc.uint8Array({ minLength: 0, maxLength: 1_024, size: "max" });
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const workshop = { slices: new Slices(), pause };
const instances = recordInstances();

describe.for([
  ["sha256", MODULES.pbkdf2Sha256, 32],
  ["sha1", MODULES.pbkdf2Sha1, 20],
] as const)(`%s against node:crypto, seed ${SEED}`, ([hash, { wasm }, digestLength]) => {
  const module = compileWasm(readFileSync(wasm));
  const first = instances.length;
  const pbkdf2 = createPbkdf2(module, digestLength);
  const memory = () => memoryOf(instances[first]);
  const native = (password: Uint8Array, salt: Uint8Array, iterations: number) =>
    new Uint8Array(pbkdf2Sync(password, salt, iterations, digestLength, hash));

  test("HASH-01: any password, salt and number of iterations gives Node's result", () => {
    const property = fc.property(
      bytes,
      bytes,
      fc.integer({ min: 1, max: 40 }),
      (password, salt, iterations) => {
        const derivation = pbkdf2.begin(password, salt);
        if (iterations > 1) derivation.advance(iterations - 1);
        expect(derivation.finish()).toEqual(native(password, salt, iterations));
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 600 });
  });

  test("HASH-01: every length around the block boundaries gives Node's result", () => {
    for (const length of [0, 1, 31, 32, 51, 52, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 1_023, 1_024]) {
      const input = utf8("x".repeat(length));
      const salt = utf8("s".repeat(length));
      expect(pbkdf2.begin(input, utf8("salt")).finish(), `password ${length}`).toEqual(
        native(input, utf8("salt"), 1),
      );
      expect(pbkdf2.begin(utf8("pw"), salt).finish(), `salt ${length}`).toEqual(native(utf8("pw"), salt, 1));
    }
  });

  test("HASH-01: derivations interleaved in one instance do not disturb each other", () => {
    const job = fc.record({ password: bytes, salt: bytes, slices: fc.array(fc.integer({ min: 1, max: 9 })) });
    const property = fc.property(fc.array(job, { minLength: 2, maxLength: 6 }), (jobs) => {
      const running = jobs.map((each) => ({ ...each, derivation: pbkdf2.begin(each.password, each.salt) }));
      const rounds = Math.max(...jobs.map(({ slices }) => slices.length));
      for (let round = 0; round < rounds; round += 1) {
        for (const { derivation, slices } of running) derivation.advance(slices[round] ?? 0);
      }
      for (const { derivation, password, salt, slices } of running) {
        const iterations = slices.reduce((sum, slice) => sum + slice, 1);
        expect(derivation.finish()).toEqual(native(password, salt, iterations));
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 60 });
  });

  test("HASH-01: derivations at the same time, in slices, give Node's results", async () => {
    const counts = [1, 2, ROUND_US, ROUND_US + 1, ROUND_US + 2, 50_000];
    const results = counts.map((iterations) => {
      const derivation = pbkdf2.begin(utf8("pässwörd"), utf8(`salt ${iterations}`));
      return derive({ derivation, steps: iterations - 1, stepUs: 1 }, workshop);
    });
    for (const [index, iterations] of counts.entries()) {
      expect(await results[index]).toEqual(native(utf8("pässwörd"), utf8(`salt ${iterations}`), iterations));
    }
  });

  test("no password-derived byte stays in the module: after a slice, a result or an abort", () => {
    createPbkdf2(module, digestLength);
    const untouched = memoryOf(instances.at(-1));
    const derivation = pbkdf2.begin(utf8("p".repeat(1_024)), utf8("s".repeat(1_024)));
    expect(memory()).toEqual(untouched);
    derivation.advance(10);
    expect(memory()).toEqual(untouched);
    derivation.finish();
    expect(memory()).toEqual(untouched);
    pbkdf2.begin(utf8("password"), utf8("salt")).abort();
    expect(memory()).toEqual(untouched);
  });

  test("a derivation that is over cannot be continued", () => {
    const derivation = pbkdf2.begin(utf8("password"), utf8("salt"));
    derivation.finish();
    expect(() => derivation.advance(1)).toThrow("derivation is under way");
    expect(() => derivation.finish()).toThrow("derivation is under way");
  });

  test("a password or salt over 1,024 bytes is refused before it is copied", () => {
    expect(() => pbkdf2.begin(new Uint8Array(1_025), utf8("salt"))).toThrow("password fits the module");
    expect(() => pbkdf2.begin(utf8("password"), new Uint8Array(1_025))).toThrow("salt fits the module");
  });

  test("memory stays one page over 200 derivations, half of them abandoned between two slices", async () => {
    for (let count = 0; count < 100; count += 1) {
      pbkdf2.begin(utf8(`abandoned ${count}`), utf8("salt")).advance(10);
      const derivation = pbkdf2.begin(utf8(`password ${count}`), utf8("salt"));
      await derive({ derivation, steps: 100, stepUs: 1 }, workshop);
    }
    expect(memory().byteLength).toBe(65_536);
  });
});
