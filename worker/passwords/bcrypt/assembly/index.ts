// bcrypt (Provos and Mazières, "A Future-Adaptable Password Scheme", USENIX 1999), resumable.
//
// AssemblyScript, compiled to ../bcrypt.wasm by scripts/build-wasm.ts: no imports, no allocation, one page.
// Libraries pause by the clock, and the clock of a Worker stands still while it computes: they never do.
//
// The caller writes PASSWORD and SALT, calls begin(), takes STATE away, and puts it back before each step():
// any number of derivations share one instance because none of them lives here between two calls.
// It calls wipe() before it lets anything else run.
import { PI } from "./pi";

/** The 72 bytes that bcrypt looks at; what is longer is the caller's to cut. */
export const PASSWORD = memory.data(72, 16);
export const SALT = memory.data(16, 16);
/** 18 subkeys, four S-boxes of 256 words, the password and the salt as words. */
export const STATE = memory.data(4256, 16);
const BOXES: usize = STATE + 72;
const KEY: usize = STATE + 4168;
const SALT_WORDS: usize = STATE + 4240;
const PI_LENGTH: u32 = 4168;
export const DIGEST = memory.data(24, 16);

/** "OrpheanBeholderScryDoubt" */
const TEXT = memory.data<u32>([0x4f727068, 0x65616e42, 0x65686f6c, 0x64657253, 0x63727944, 0x6f756274], 16);

/** What one encryption leaves: the two halves of a block. */
let left: u32 = 0;
let right: u32 = 0;

/** Reads PASSWORD (followed by a NUL where it is shorter, and repeated) and SALT, and leaves the first STATE. */
export function begin(passwordLength: u32): void {
  if (passwordLength > 72) unreachable();
  let at: u32 = 0;
  for (let i: u32 = 0; i < 72; i += 4) {
    let word: u32 = 0;
    for (let byte = 0; byte < 4; byte++) {
      word = (word << 8) | (at < passwordLength ? load<u8>(PASSWORD + at) : 0);
      at = at < passwordLength ? at + 1 : 0;
    }
    store<u32>(KEY + i, word);
  }
  for (let i: u32 = 0; i < 16; i += 4) store<u32>(SALT_WORDS + i, bswap(load<u32>(SALT + i)));
  memory.copy(STATE, PI, PI_LENGTH);
  for (let i: u32 = 0; i < 72; i += 4) store<u32>(STATE + i, load<u32>(STATE + i) ^ load<u32>(KEY + i));
  left = 0;
  right = 0;
  for (let i: u32 = 0; i < PI_LENGTH; i += 8) {
    encrypt(left ^ load<u32>(SALT_WORDS + (i & 8)), right ^ load<u32>(SALT_WORDS + (i & 8), 4));
    store<u32>(STATE + i, left);
    store<u32>(STATE + i, right, 4);
  }
}

/** Continues STATE by so many of the 2^cost iterations. */
export function step(iterations: u32): void {
  for (; iterations > 0; iterations--) {
    for (let i: u32 = 0; i < 72; i += 4) store<u32>(STATE + i, load<u32>(STATE + i) ^ load<u32>(KEY + i));
    schedule();
    for (let i: u32 = 0; i < 72; i += 4) store<u32>(STATE + i, load<u32>(STATE + i) ^ load<u32>(SALT_WORDS + (i & 15)));
    schedule();
  }
}

/** Leaves the result in DIGEST: 24 bytes, of which the last is never part of a stored hash. */
export function finish(): void {
  for (let block: usize = 0; block < 24; block += 8) {
    left = load<u32>(TEXT + block);
    right = load<u32>(TEXT + block, 4);
    for (let i = 0; i < 64; i++) encrypt(left, right);
    store<u32>(DIGEST + block, bswap(left));
    store<u32>(DIGEST + block, bswap(right), 4);
  }
}

/** Forgets everything that came from a password. */
export function wipe(): void {
  memory.fill(PASSWORD, 0, 72);
  memory.fill(SALT, 0, 16);
  memory.fill(STATE, 0, 4256);
  memory.fill(DIGEST, 0, 24);
  left = 0;
  right = 0;
}

/** Blowfish's key schedule without a salt: every subkey and box from the encryption before it. */
function schedule(): void {
  left = 0;
  right = 0;
  for (let i: u32 = 0; i < PI_LENGTH; i += 8) {
    encrypt(left, right);
    store<u32>(STATE + i, left);
    store<u32>(STATE + i, right, 4);
  }
}

// @ts-ignore: decorator
@inline function encrypt(l: u32, r: u32): void {
  l ^= load<u32>(STATE);
  r ^= mix(l) ^ load<u32>(STATE, 4); l ^= mix(r) ^ load<u32>(STATE, 8);
  r ^= mix(l) ^ load<u32>(STATE, 12); l ^= mix(r) ^ load<u32>(STATE, 16);
  r ^= mix(l) ^ load<u32>(STATE, 20); l ^= mix(r) ^ load<u32>(STATE, 24);
  r ^= mix(l) ^ load<u32>(STATE, 28); l ^= mix(r) ^ load<u32>(STATE, 32);
  r ^= mix(l) ^ load<u32>(STATE, 36); l ^= mix(r) ^ load<u32>(STATE, 40);
  r ^= mix(l) ^ load<u32>(STATE, 44); l ^= mix(r) ^ load<u32>(STATE, 48);
  r ^= mix(l) ^ load<u32>(STATE, 52); l ^= mix(r) ^ load<u32>(STATE, 56);
  r ^= mix(l) ^ load<u32>(STATE, 60); l ^= mix(r) ^ load<u32>(STATE, 64);
  left = r ^ load<u32>(STATE, 68);
  right = l;
}

// @ts-ignore: decorator
@inline function mix(x: u32): u32 {
  const sum = load<u32>(BOXES + ((x >> 24) << 2)) + load<u32>(BOXES + (((x >> 16) & 255) << 2), 1024);
  return (sum ^ load<u32>(BOXES + (((x >> 8) & 255) << 2), 2048)) + load<u32>(BOXES + ((x & 255) << 2), 3072);
}
