/** What the WebAssembly modules of this folder have in common: no import, one memory, addresses as globals. */
import { assert } from "../../schema/assert.ts";

/** Whether `exports` has a memory, these globals and these functions: whether the module is the one that is built here. */
export function exportsThese(
  exports: object,
  globals: readonly string[],
  functions: readonly string[],
): boolean {
  const of = (name: string): unknown => Reflect.get(exports, name);
  return (
    of("memory") instanceof WebAssembly.Memory &&
    globals.every((name) => of(name) instanceof WebAssembly.Global) &&
    functions.every((name) => typeof of(name) === "function")
  );
}

/** The address that a global holds. */
export function addressIn(global: WebAssembly.Global): number {
  assert(typeof global.value === "number", "the module exports its addresses");
  return global.value;
}
