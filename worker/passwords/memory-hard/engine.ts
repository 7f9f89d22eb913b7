/**
 * Argon2 and scrypt in WebAssembly, one derivation at a time, in steps. It owns the module's memory; a derivation
 * that is over leaves nothing there.
 *
 * The code is our own because every library computes a whole hash at once: 30 ms for Argon2, a quarter of a second
 * for scrypt, in which the isolate answers nobody. Both algorithms can stop after any block.
 */
import { assert } from "../../../schema/assert.ts";
import type { Derivation, Work } from "../derive.ts";
import { addressIn, exportsThese } from "../wasm.ts";

const PAGE = 65_536;
const ARGON2_TYPES = { argon2d: 0, argon2i: 1, argon2id: 2 } as const;
/** Microseconds of one block of 1 KiB. */
const ARGON2_STEP_US = 0.8;
/** Microseconds of one step for each unit of the block size r. */
const SCRYPT_STEP_US = 0.2;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly WORK: WebAssembly.Global;
  readonly ARGON2_MESSAGE: WebAssembly.Global;
  readonly ARGON2_DIGEST: WebAssembly.Global;
  argon2Begin(
    length: number,
    type: number,
    version: number,
    memoryKib: number,
    passes: number,
    lanes: number,
  ): number;
  argon2Step(blocks: number): void;
  argon2Finish(digestLength: number): void;
  argon2Wipe(): void;
  scryptBegin(cost: number, blockSize: number, parallelization: number): number;
  scryptStep(steps: number): void;
  wipeWork(length: number): void;
}

export interface Argon2Input {
  readonly type: keyof typeof ARGON2_TYPES;
  readonly version: 16 | 19;
  /** At most 1,024 bytes each. */
  readonly password: Uint8Array;
  readonly salt: Uint8Array;
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
  /** Bytes, 4 to 64. */
  readonly digestLength: number;
}

export interface ScryptInput {
  /** N, a power of two. */
  readonly cost: number;
  /** r */
  readonly blockSize: number;
  /** The output of scrypt's first PBKDF2: 128 r bytes for each of p blocks. */
  readonly blocks: Uint8Array;
}

export interface MemoryHard {
  /** Starts an Argon2 hash (RFC 9106). A step fills one block. */
  argon2(input: Argon2Input): Work;
  /** Starts scryptROMix of every block (RFC 7914 §5): the result is what scrypt's second PBKDF2 takes as its salt. */
  scrypt(input: ScryptInput): Work;
  /** Bytes of memory, which never shrinks. */
  size(): number;
}

/** One instance of the module. Starting a derivation before the last one is over is a fault of the caller. */
export function createMemoryHard(module: WebAssembly.Module): MemoryHard {
  const { exports } = new WebAssembly.Instance(module);
  assert(isMemoryHard(exports), "the module is the one that is built here");
  const wasm: Exports = exports;
  const work = addressIn(wasm.WORK);
  let current: object | null = null;

  /** Makes room for so many bytes of work. Throws RangeError when the isolate has not got them. */
  function reserve(length: number): void {
    const missing = work + length - wasm.memory.buffer.byteLength;
    if (missing > 0) wasm.memory.grow(Math.ceil(missing / PAGE));
  }

  function derivation(length: number, parts: Pick<Derivation, "advance" | "finish">): Derivation {
    const self = {};
    assert(current === null, "one derivation at a time");
    current = self;
    const close = () => {
      if (current !== self) return;
      current = null;
      // All of it: whoever knows a few blocks can try passwords without the memory that the rest stands for.
      wasm.wipeWork(length);
      wasm.argon2Wipe();
    };
    return {
      advance(steps) {
        assert(current === self, "derivation is under way");
        parts.advance(steps);
      },
      finish() {
        assert(current === self, "derivation is under way");
        const result = parts.finish();
        close();
        return result;
      },
      abort: close,
    };
  }

  return {
    argon2(input) {
      const { type, version, memoryKib, passes, lanes, digestLength } = input;
      const blocks = 4 * lanes * Math.floor(memoryKib / (4 * lanes));
      const message = argon2Message(input);
      reserve(blocks * 1_024);
      const under = derivation(blocks * 1_024, {
        advance: wasm.argon2Step,
        finish() {
          wasm.argon2Finish(digestLength);
          return bytesAt(addressIn(wasm.ARGON2_DIGEST), digestLength).slice();
        },
      });
      bytesAt(addressIn(wasm.ARGON2_MESSAGE), message.length).set(message);
      const steps = wasm.argon2Begin(message.length, ARGON2_TYPES[type], version, memoryKib, passes, lanes);
      return { derivation: under, steps, stepUs: ARGON2_STEP_US };
    },
    scrypt({ cost, blockSize, blocks }) {
      const parallelization = blocks.length / (128 * blockSize);
      const length = blocks.length + (cost + 2) * 128 * blockSize;
      reserve(length);
      const under = derivation(length, {
        advance: wasm.scryptStep,
        finish: () => bytesAt(work, blocks.length).slice(),
      });
      bytesAt(work, blocks.length).set(blocks);
      const steps = wasm.scryptBegin(cost, blockSize, parallelization);
      return { derivation: under, steps, stepUs: SCRYPT_STEP_US * blockSize };
    },
    size: () => wasm.memory.buffer.byteLength,
  };

  function bytesAt(start: number, length: number): Uint8Array {
    return new Uint8Array(wasm.memory.buffer, start, length);
  }
}

/** What H0 is the hash of (RFC 9106 §3.2), without a secret and associated data. */
function argon2Message(input: Argon2Input): Uint8Array {
  const { type, version, password, salt, memoryKib, passes, lanes, digestLength } = input;
  assert(password.length <= 1_024 && salt.length <= 1_024, "password and salt fit the module");
  assert(digestLength >= 4 && digestLength <= 64, "the digest fits the module");
  const message = new Uint8Array(40 + password.length + salt.length);
  const view = new DataView(message.buffer);
  const numbers = [lanes, digestLength, memoryKib, passes, version, ARGON2_TYPES[type], password.length];
  for (const [index, number] of numbers.entries()) view.setUint32(4 * index, number, true);
  message.set(password, 28);
  view.setUint32(28 + password.length, salt.length, true);
  message.set(salt, 32 + password.length);
  return message;
}

function isMemoryHard(exports: object): exports is Exports {
  return exportsThese(
    exports,
    ["WORK", "ARGON2_MESSAGE", "ARGON2_DIGEST"],
    ["argon2Begin", "argon2Step", "argon2Finish", "argon2Wipe", "scryptBegin", "scryptStep", "wipeWork"],
  );
}
