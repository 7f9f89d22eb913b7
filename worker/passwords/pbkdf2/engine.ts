/**
 * PBKDF2-HMAC-SHA256 in WebAssembly, one slice at a time, for runtimes that cap their own PBKDF2.
 * It owns the module's memory; it must never leave anything password-derived there between two calls.
 */
import { assert } from "../../../schema/assert.ts";

/** Bytes the module has room for; see `INPUT_MAX` in assembly/index.ts. */
export const PASSWORD_LENGTH_MAX = 1_024;
export const SALT_LENGTH_MAX = 1_024;
export const DIGEST_LENGTH = 32;

/** Two HMAC midstates, the result so far, the last U: four times eight words. */
const STATE_LENGTH = 128;
const RESULT_OFFSET = 64;

/** The exports of pbkdf2.wasm: three addresses, three functions, and one page that cannot grow. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly PASSWORD: WebAssembly.Global;
  readonly SALT: WebAssembly.Global;
  readonly STATE: WebAssembly.Global;
  begin(passwordLength: number, saltLength: number): void;
  step(iterations: number): void;
  wipe(): void;
}

/** One derivation under way. */
export interface Derivation {
  /** Does so many iterations. Synchronous, a quarter of a microsecond each. */
  advance(iterations: number): void;
  /** The 32 bytes after the iterations done so far; the derivation is over and forgotten. */
  finish(): Uint8Array;
  /** Forgets it without a result. May be called at any time, any number of times. */
  abort(): void;
}

export interface Pbkdf2 {
  /** Starts a derivation and does its first iteration. Up to 1,024 bytes each. */
  begin(password: Uint8Array, salt: Uint8Array): Derivation;
}

/**
 * One instance of the module, for any number of interleaved derivations.
 *
 * Each derivation keeps its 128 bytes of state outside the module and lends them to it for one call. Slots inside
 * the module would have to be given back, and a request cancelled between two slices gives nothing back: its
 * continuation never runs. State held here is collected like anything else, so memory stays one page.
 */
export function createPbkdf2(module: WebAssembly.Module): Pbkdf2 {
  const { exports } = new WebAssembly.Instance(module);
  assert(isPbkdf2(exports), "the module is the one that is built here");
  const wasm: Exports = exports;
  const memory = new Uint8Array(wasm.memory.buffer);
  const at = { password: address(wasm.PASSWORD), salt: address(wasm.SALT), state: address(wasm.STATE) };

  function begin(password: Uint8Array, salt: Uint8Array): Derivation {
    assert(password.length <= PASSWORD_LENGTH_MAX, "password fits the module");
    assert(salt.length <= SALT_LENGTH_MAX, "salt fits the module");
    memory.set(password, at.password);
    memory.set(salt, at.salt);
    wasm.begin(password.length, salt.length);
    const state = memory.slice(at.state, at.state + STATE_LENGTH);
    wasm.wipe();
    return derivation(state);
  }

  function derivation(state: Uint8Array): Derivation {
    let open = true;
    const close = () => {
      open = false;
      state.fill(0);
    };
    return {
      advance(iterations) {
        assert(open, "derivation is under way");
        memory.set(state, at.state);
        wasm.step(iterations);
        state.set(memory.subarray(at.state, at.state + STATE_LENGTH));
        wasm.wipe();
      },
      finish() {
        assert(open, "derivation is under way");
        const digest = bigEndian(state.subarray(RESULT_OFFSET, RESULT_OFFSET + DIGEST_LENGTH));
        close();
        return digest;
      },
      abort: close,
    };
  }

  return { begin };
}

function address(global: WebAssembly.Global): number {
  assert(typeof global.value === "number", "the module exports its addresses");
  return global.value;
}

/** The module's words are little-endian, as WebAssembly is; SHA-256's are not. */
function bigEndian(words: Uint8Array): Uint8Array {
  const digest = words.slice();
  const view = new DataView(digest.buffer);
  for (let offset = 0; offset < digest.length; offset += 4) {
    view.setUint32(offset, view.getUint32(offset, true));
  }
  return digest;
}

function isPbkdf2(exports: object): exports is Exports {
  const of = (name: string): unknown => Reflect.get(exports, name);
  return (
    of("memory") instanceof WebAssembly.Memory &&
    ["PASSWORD", "SALT", "STATE"].every((name) => of(name) instanceof WebAssembly.Global) &&
    ["begin", "step", "wipe"].every((name) => typeof of(name) === "function")
  );
}
