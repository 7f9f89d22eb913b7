// PBKDF2-HMAC-SHA1 with a 20-byte result (RFC 8018 §5.2, FIPS 180-4), resumable: as sha256.ts does it for SHA-256.
//
// AssemblyScript, compiled to ../pbkdf2-sha1.wasm by scripts/build-wasm.ts: no imports, no allocation, one page.

/** Longest password and salt in bytes; the room after them is for 4 bytes of block index and the padding. */
const INPUT_MAX: u32 = 1024;
const ROOM: i32 = 1024 + 4 + 128;
export const PASSWORD = memory.data(ROOM, 16);
export const SALT = memory.data(ROOM, 16);

/** Words in native order: HMAC's inner midstate, its outer midstate, the result so far. Then BLOCK follows. */
export const STATE = memory.data(124, 16);
const INNER: usize = STATE;
const OUTER: usize = STATE + 20;
const RESULT: usize = STATE + 40;
/** The last U, which is also the start of the next block to compress: 20 bytes of it belong to STATE. */
const BLOCK: usize = STATE + 60;

/** The message schedule. */
const SCHEDULE = memory.data(320, 16);
/** A whole block of begin()'s longer messages. */
const MESSAGE = memory.data(64, 16);
const DIGEST = memory.data(20, 16);
const START = memory.data<u32>([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0], 16);

/** Reads PASSWORD and SALT and leaves in STATE what one iteration gives. */
export function begin(passwordLength: u32, saltLength: u32): void {
  if (passwordLength > INPUT_MAX || saltLength > INPUT_MAX) unreachable();
  if (passwordLength > 64) {
    memory.copy(DIGEST, START, 20);
    absorb(DIGEST, PASSWORD, passwordLength, 0);
    memory.fill(PASSWORD, 0, ROOM);
    for (let i: u32 = 0; i < 20; i += 4) store<u32>(PASSWORD + i, bswap(load<u32>(DIGEST + i)));
  } else {
    memory.fill(PASSWORD + passwordLength, 0, ROOM - passwordLength);
  }
  keyed(INNER, 0x36363636);
  keyed(OUTER, 0x5c5c5c5c);
  store<u32>(SALT + saltLength, 0x01000000); // block 1, big-endian: the only block of a 20-byte result
  memory.copy(BLOCK, INNER, 20);
  absorb(BLOCK, SALT, saltLength + 4, 1);
  finishBlock();
  compress(OUTER, BLOCK, BLOCK);
  memory.copy(RESULT, BLOCK, 20);
}

/** Continues STATE by so many iterations. */
export function step(iterations: u32): void {
  finishBlock();
  for (; iterations > 0; iterations--) {
    compress(INNER, BLOCK, BLOCK);
    compress(OUTER, BLOCK, BLOCK);
    for (let i: u32 = 0; i < 20; i += 4) store<u32>(RESULT + i, load<u32>(RESULT + i) ^ load<u32>(BLOCK + i));
  }
}

/** Forgets everything that came from a password: the midstates are as good as the password to a guesser. */
export function wipe(): void {
  memory.fill(PASSWORD, 0, ROOM);
  memory.fill(SALT, 0, ROOM);
  memory.fill(STATE, 0, 124);
  memory.fill(SCHEDULE, 0, 320);
  memory.fill(MESSAGE, 0, 64);
  memory.fill(DIGEST, 0, 20);
}

/** The midstate after HMAC's first block: the key in PASSWORD, xored with the pad. */
function keyed(state: usize, pad: u32): void {
  for (let i: u32 = 0; i < 64; i += 4) store<u32>(MESSAGE + i, bswap(load<u32>(PASSWORD + i) ^ pad));
  compress(START, MESSAGE, state);
}

/** Pads the message in place and compresses all of it into state, which has taken in `before` blocks. */
function absorb(state: usize, message: usize, length: u32, before: u32): void {
  const end = (length + 9 + 63) & ~63;
  memory.fill(message + length, 0, end - length);
  store<u8>(message + length, 0x80);
  store<u32>(message + end - 4, bswap((before * 64 + length) * 8));
  for (let at: u32 = 0; at < end; at += 64) {
    for (let i: u32 = 0; i < 64; i += 4) store<u32>(MESSAGE + i, bswap(load<u32>(message + at + i)));
    compress(state, MESSAGE, state);
  }
}

/** After the 20 bytes of U: end mark, zeros, and 672 bits (one block of key and 20 bytes of U). */
function finishBlock(): void {
  memory.fill(BLOCK + 20, 0, 44);
  store<u32>(BLOCK, 0x80000000, 20);
  store<u32>(BLOCK, 672, 60);
}

// Five rounds a line, so that the five variables' names are back where they began.

function compress(from: usize, block: usize, to: usize): void {
  memory.copy(SCHEDULE, block, 64);
  for (let at: usize = SCHEDULE + 64; at < SCHEDULE + 320; at += 4) {
    store<u32>(at, rotl(load<u32>(at - 12) ^ load<u32>(at - 32) ^ load<u32>(at - 56) ^ load<u32>(at - 64), 1));
  }
  let a = load<u32>(from), b = load<u32>(from, 4), c = load<u32>(from, 8), d = load<u32>(from, 12), e = load<u32>(from, 16);
  for (let at: usize = 0; at < 80; at += 20) {
    e += rotl(a, 5) + choose(b, c, d) + load<u32>(SCHEDULE + at, 0) + 0x5a827999; b = rotl(b, 30);
    d += rotl(e, 5) + choose(a, b, c) + load<u32>(SCHEDULE + at, 4) + 0x5a827999; a = rotl(a, 30);
    c += rotl(d, 5) + choose(e, a, b) + load<u32>(SCHEDULE + at, 8) + 0x5a827999; e = rotl(e, 30);
    b += rotl(c, 5) + choose(d, e, a) + load<u32>(SCHEDULE + at, 12) + 0x5a827999; d = rotl(d, 30);
    a += rotl(b, 5) + choose(c, d, e) + load<u32>(SCHEDULE + at, 16) + 0x5a827999; c = rotl(c, 30);
  }
  for (let at: usize = 80; at < 160; at += 20) {
    e += rotl(a, 5) + (b ^ c ^ d) + load<u32>(SCHEDULE + at, 0) + 0x6ed9eba1; b = rotl(b, 30);
    d += rotl(e, 5) + (a ^ b ^ c) + load<u32>(SCHEDULE + at, 4) + 0x6ed9eba1; a = rotl(a, 30);
    c += rotl(d, 5) + (e ^ a ^ b) + load<u32>(SCHEDULE + at, 8) + 0x6ed9eba1; e = rotl(e, 30);
    b += rotl(c, 5) + (d ^ e ^ a) + load<u32>(SCHEDULE + at, 12) + 0x6ed9eba1; d = rotl(d, 30);
    a += rotl(b, 5) + (c ^ d ^ e) + load<u32>(SCHEDULE + at, 16) + 0x6ed9eba1; c = rotl(c, 30);
  }
  for (let at: usize = 160; at < 240; at += 20) {
    e += rotl(a, 5) + majority(b, c, d) + load<u32>(SCHEDULE + at, 0) + 0x8f1bbcdc; b = rotl(b, 30);
    d += rotl(e, 5) + majority(a, b, c) + load<u32>(SCHEDULE + at, 4) + 0x8f1bbcdc; a = rotl(a, 30);
    c += rotl(d, 5) + majority(e, a, b) + load<u32>(SCHEDULE + at, 8) + 0x8f1bbcdc; e = rotl(e, 30);
    b += rotl(c, 5) + majority(d, e, a) + load<u32>(SCHEDULE + at, 12) + 0x8f1bbcdc; d = rotl(d, 30);
    a += rotl(b, 5) + majority(c, d, e) + load<u32>(SCHEDULE + at, 16) + 0x8f1bbcdc; c = rotl(c, 30);
  }
  for (let at: usize = 240; at < 320; at += 20) {
    e += rotl(a, 5) + (b ^ c ^ d) + load<u32>(SCHEDULE + at, 0) + 0xca62c1d6; b = rotl(b, 30);
    d += rotl(e, 5) + (a ^ b ^ c) + load<u32>(SCHEDULE + at, 4) + 0xca62c1d6; a = rotl(a, 30);
    c += rotl(d, 5) + (e ^ a ^ b) + load<u32>(SCHEDULE + at, 8) + 0xca62c1d6; e = rotl(e, 30);
    b += rotl(c, 5) + (d ^ e ^ a) + load<u32>(SCHEDULE + at, 12) + 0xca62c1d6; d = rotl(d, 30);
    a += rotl(b, 5) + (c ^ d ^ e) + load<u32>(SCHEDULE + at, 16) + 0xca62c1d6; c = rotl(c, 30);
  }
  store<u32>(to, a + load<u32>(from)); store<u32>(to, b + load<u32>(from, 4), 4);
  store<u32>(to, c + load<u32>(from, 8), 8); store<u32>(to, d + load<u32>(from, 12), 12);
  store<u32>(to, e + load<u32>(from, 16), 16);
}

// @ts-ignore: decorator
@inline function choose(b: u32, c: u32, d: u32): u32 { return ((c ^ d) & b) ^ d; }
// @ts-ignore: decorator
@inline function majority(b: u32, c: u32, d: u32): u32 { return (b & c) | ((b | c) & d); }
