/**
 * Argon2 (RFC 9106) through the WebAssembly module of @phi-ag/argon2. It owns the module's memory and must
 * never leave a password there.
 *
 * The module is driven directly. The package's own wrapper gives it a password's length in UTF-16 units while the
 * password lies there as UTF-8, which silently cuts off the end of every password that is not ASCII.
 */
import { assert } from "../../../schema/assert.ts";

/** The parts of argon2.wasm in use: `argon2_hash` of the reference implementation, and its allocator. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  /** Zero when memory cannot grow. */
  malloc(length: number): number;
  free(pointer: number): void;
  argon2_hash(
    passes: number,
    memoryKib: number,
    lanes: number,
    password: number,
    passwordLength: number,
    salt: number,
    saltLength: number,
    digest: number,
    digestLength: number,
    encoded: number,
    encodedLength: number,
    type: number,
    version: number,
  ): number;
}

/** The reference implementation's numbers. */
const TYPES = { argon2d: 0, argon2i: 1, argon2id: 2 } as const;

export interface Argon2Input {
  readonly type: keyof typeof TYPES;
  readonly version: 16 | 19;
  readonly password: Uint8Array;
  /** At least 8 bytes. */
  readonly salt: Uint8Array;
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  /** Bytes, at least 4. */
  readonly digestLength: number;
}

/** The digest. Synchronous and not to be interrupted; throws when the module cannot get the memory. */
export type Argon2 = (input: Argon2Input) => Uint8Array;

/**
 * One instance of the module. Its memory grows to the largest `memoryKib` asked for and stays there, which the
 * ceiling in schema/password-hash.ts bounds; a second instance would add to it instead of sharing it.
 */
export function createArgon2(module: WebAssembly.Module): Argon2 {
  const { exports } = new WebAssembly.Instance(module);
  assert(isArgon2(exports), "the module is the one that was pinned");
  const wasm: Exports = exports;
  wasm._initialize();

  return (input) => {
    const { password, salt, digestLength } = input;
    const length = password.length + salt.length + digestLength;
    const at = wasm.malloc(length);
    assert(at !== 0, "the module has room for password, salt and digest");
    const digestAt = at + password.length + salt.length;
    new Uint8Array(wasm.memory.buffer, at).set(password);
    new Uint8Array(wasm.memory.buffer, at + password.length).set(salt);
    try {
      const problem = wasm.argon2_hash(
        input.passes,
        input.memoryKib,
        input.lanes,
        at,
        password.length,
        at + password.length,
        salt.length,
        digestAt,
        digestLength,
        0,
        0,
        TYPES[input.type],
        input.version,
      );
      if (problem !== 0) throw new Error(`argon2_hash failed with code ${problem}`);
      return new Uint8Array(wasm.memory.buffer).slice(digestAt, digestAt + digestLength);
    } finally {
      new Uint8Array(wasm.memory.buffer, at, length).fill(0);
      wasm.free(at);
    }
  };
}

function isArgon2(exports: object): exports is Exports {
  const functions = ["_initialize", "malloc", "free", "argon2_hash"];
  return (
    Reflect.get(exports, "memory") instanceof WebAssembly.Memory &&
    functions.every((name) => typeof Reflect.get(exports, name) === "function")
  );
}
