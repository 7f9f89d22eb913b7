/**
 * bcrypt in WebAssembly, one slice at a time. It owns the module's memory; it must never leave anything
 * password-derived there between two calls. State lives outside, as in pbkdf2/engine.ts and for its reasons.
 */
import { assert } from "../../../schema/assert.ts";
import type { Derivation } from "../derive.ts";
import { addressIn, exportsThese } from "../wasm.ts";

/** Bytes of a password that bcrypt looks at. */
export const PASSWORD_LENGTH_MAX = 72;
export const SALT_LENGTH = 16;
/** Bytes; bcrypt makes one more, and every implementation leaves it out. */
export const DIGEST_LENGTH = 23;
const STATE_LENGTH = 4_256;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly PASSWORD: WebAssembly.Global;
  readonly SALT: WebAssembly.Global;
  readonly STATE: WebAssembly.Global;
  readonly DIGEST: WebAssembly.Global;
  begin(passwordLength: number): void;
  step(iterations: number): void;
  finish(): void;
  wipe(): void;
}

export interface Bcrypt {
  /** Starts a derivation of 2^cost steps. A password of at most 72 bytes, a salt of 16. */
  begin(password: Uint8Array, salt: Uint8Array): Derivation;
}

/** One instance of the module, for any number of interleaved derivations. */
export function createBcrypt(module: WebAssembly.Module): Bcrypt {
  const { exports } = new WebAssembly.Instance(module);
  assert(isBcrypt(exports), "the module is the one that is built here");
  const wasm: Exports = exports;
  const memory = new Uint8Array(wasm.memory.buffer);
  const stateAt = addressIn(wasm.STATE);
  const digestAt = addressIn(wasm.DIGEST);

  function begin(password: Uint8Array, salt: Uint8Array): Derivation {
    assert(password.length <= PASSWORD_LENGTH_MAX, "password fits the module");
    assert(salt.length === SALT_LENGTH, "salt fits the module");
    memory.set(password, addressIn(wasm.PASSWORD));
    memory.set(salt, addressIn(wasm.SALT));
    wasm.begin(password.length);
    const state = memory.slice(stateAt, stateAt + STATE_LENGTH);
    wasm.wipe();
    let open = true;
    const close = () => {
      open = false;
      state.fill(0);
    };
    return {
      advance(steps) {
        assert(open, "derivation is under way");
        memory.set(state, stateAt);
        wasm.step(steps);
        state.set(memory.subarray(stateAt, stateAt + STATE_LENGTH));
        wasm.wipe();
      },
      finish() {
        assert(open, "derivation is under way");
        memory.set(state, stateAt);
        wasm.finish();
        const digest = memory.slice(digestAt, digestAt + DIGEST_LENGTH);
        wasm.wipe();
        close();
        return digest;
      },
      abort: close,
    };
  }

  return { begin };
}

function isBcrypt(exports: object): exports is Exports {
  return exportsThese(exports, ["PASSWORD", "SALT", "STATE", "DIGEST"], ["begin", "step", "finish", "wipe"]);
}
