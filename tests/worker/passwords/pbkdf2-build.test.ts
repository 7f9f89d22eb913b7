import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildPbkdf2, PBKDF2_WASM } from "../../../scripts/build-wasm.ts";
import { compileWasm } from "../../support/wasm.ts";

/** Milliseconds; the compiler is itself a large WebAssembly program. */
const BUILD_TIMEOUT_MS = 120_000;

test(
  "the checked-in pbkdf2.wasm is what its source compiles to",
  () => {
    const committed = readFileSync(PBKDF2_WASM);
    expect(committed.equals(buildPbkdf2())).toBe(true);
  },
  BUILD_TIMEOUT_MS,
);

test("pbkdf2.wasm imports nothing and its one page of memory cannot grow", () => {
  const module = compileWasm(readFileSync(PBKDF2_WASM));
  expect(WebAssembly.Module.imports(module)).toEqual([]);
  const { memory } = new WebAssembly.Instance(module).exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new Error("no memory exported");
  expect(memory.buffer.byteLength).toBe(65_536);
  expect(() => memory.grow(1)).toThrow(RangeError);
});
