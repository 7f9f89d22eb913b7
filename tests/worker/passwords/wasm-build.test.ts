import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildWasm, MODULES } from "../../../scripts/build-wasm.ts";
import { compileWasm } from "../../support/wasm.ts";

const modules = Object.entries(MODULES);

test.for(modules)("the checked-in %s is what its source compiles to", ([, one]) => {
  expect(readFileSync(one.wasm).equals(buildWasm(one))).toBe(true);
});

test.for(modules)("%s imports nothing, starts with one page and cannot outgrow its bound", ([, one]) => {
  const module = compileWasm(readFileSync(one.wasm));
  expect(WebAssembly.Module.imports(module)).toEqual([]);
  const { memory } = new WebAssembly.Instance(module).exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new Error("no memory exported");
  expect(memory.buffer.byteLength).toBe(65_536);
  expect(() => memory.grow(one.pagesMax)).toThrow(RangeError);
});
