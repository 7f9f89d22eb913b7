/** WebAssembly as a plain-node test needs it: compiled from bytes, and looked into from outside. */

/** Compiles at run time, which Workers forbid: their types therefore know `WebAssembly.Module` only as abstract. */
export function compileWasm(bytes: Uint8Array): WebAssembly.Module {
  return Reflect.construct(WebAssembly.Module, [bytes]);
}

/** Makes every later `new WebAssembly.Instance` in this test file known, to look at its memory. */
export function recordInstances(): WebAssembly.Instance[] {
  const recorded: WebAssembly.Instance[] = [];
  const Original = WebAssembly.Instance;
  WebAssembly.Instance = class extends Original {
    constructor(...args: ConstructorParameters<typeof Original>) {
      super(...args);
      recorded.push(this);
    }
  };
  return recorded;
}

/** Linear memory of an instance that exports it as `memory`. */
export function memoryOf(instance: WebAssembly.Instance | undefined): Uint8Array {
  const memory = instance?.exports.memory;
  if (!(memory instanceof WebAssembly.Memory)) throw new Error("no instance with a memory");
  return new Uint8Array(memory.buffer);
}
