/**
 * PBKDF2-HMAC in WebAssembly, with SHA-256 or SHA-1, one slice at a time, for runtimes that cap their own PBKDF2.
 * It owns the module's memory; it must never leave anything password-derived there between two calls.
 */
import { assert } from "../../../schema/assert.ts";
import type { Derivation } from "../derive.ts";
import { addressIn, exportsThese } from "../wasm.ts";

/** Bytes the module has room for; see `INPUT_MAX` in assembly/index.ts. */
export const PASSWORD_LENGTH_MAX = 1_024;
export const SALT_LENGTH_MAX = 1_024;

/** The exports of both modules: three addresses, three functions, and one page that cannot grow. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly PASSWORD: WebAssembly.Global;
  readonly SALT: WebAssembly.Global;
  readonly STATE: WebAssembly.Global;
  begin(passwordLength: number, saltLength: number): void;
  step(iterations: number): void;
  wipe(): void;
}

export interface Pbkdf2 {
  /** Starts a derivation and does its first iteration; a step is one more. Up to 1,024 bytes each. */
  begin(password: Uint8Array, salt: Uint8Array): Derivation;
}

/**
 * One instance of a module and the length of its digest, for any number of interleaved derivations.
 *
 * Each derivation keeps its state (80 or 128 bytes) outside the module and lends them to it for one call. Slots inside
 * the module would have to be given back, and a request cancelled between two slices gives nothing back: its
 * continuation never runs. State held here is collected like anything else, so memory stays one page.
 */
export function createPbkdf2(module: WebAssembly.Module, digestLength: 20 | 32): Pbkdf2 {
  // Two HMAC midstates, the result so far, the last U.
  const stateLength = 4 * digestLength;
  const resultAt = 2 * digestLength;
  const { exports } = new WebAssembly.Instance(module);
  assert(isPbkdf2(exports), "the module is the one that is built here");
  const wasm: Exports = exports;
  const memory = new Uint8Array(wasm.memory.buffer);
  const at = { password: addressIn(wasm.PASSWORD), salt: addressIn(wasm.SALT), state: addressIn(wasm.STATE) };

  function begin(password: Uint8Array, salt: Uint8Array): Derivation {
    assert(password.length <= PASSWORD_LENGTH_MAX, "password fits the module");
    assert(salt.length <= SALT_LENGTH_MAX, "salt fits the module");
    memory.set(password, at.password);
    memory.set(salt, at.salt);
    wasm.begin(password.length, salt.length);
    const state = memory.slice(at.state, at.state + stateLength);
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
        state.set(memory.subarray(at.state, at.state + stateLength));
        wasm.wipe();
      },
      finish() {
        assert(open, "derivation is under way");
        const digest = bigEndian(state.subarray(resultAt, resultAt + digestLength));
        close();
        return digest;
      },
      abort: close,
    };
  }

  return { begin };
}

/** The module's words are little-endian, as WebAssembly is; SHA's are not. */
function bigEndian(words: Uint8Array): Uint8Array {
  const digest = words.slice();
  const view = new DataView(digest.buffer);
  for (let offset = 0; offset < digest.length; offset += 4) {
    view.setUint32(offset, view.getUint32(offset, true));
  }
  return digest;
}

function isPbkdf2(exports: object): exports is Exports {
  return exportsThese(exports, ["PASSWORD", "SALT", "STATE"], ["begin", "step", "wipe"]);
}
