// PBKDF2-HMAC-SHA256 with a 32-byte result (RFC 8018 §5.2, FIPS 180-4), resumable.
//
// AssemblyScript, compiled to ../pbkdf2-sha256.wasm by scripts/build-wasm.ts: no imports, no allocation, one page.
// The runtime's own PBKDF2 refuses more than 100,000 iterations; stored Django hashes have up to 2,000,000.
//
// The caller writes PASSWORD and SALT, calls begin(), takes STATE away, and puts it back before each step():
// any number of derivations share one instance because none of them lives here between two calls.
// It calls wipe() before it lets anything else run.

/** Longest password and salt in bytes; the room after them is for 4 bytes of block index and the padding. */
const INPUT_MAX: u32 = 1024;
const ROOM: i32 = 1024 + 4 + 128;
export const PASSWORD = memory.data(ROOM, 16);
export const SALT = memory.data(ROOM, 16);

/** Words in native order: HMAC's inner midstate, its outer midstate, the result so far. Then BLOCK follows. */
export const STATE = memory.data(160, 16);
const INNER: usize = STATE;
const OUTER: usize = STATE + 32;
const RESULT: usize = STATE + 64;
/** The last U, which is also the first half of the next block to compress: 32 bytes of it belong to STATE. */
const BLOCK: usize = STATE + 96;
/** The other half never changes: end mark, zeros, and 768 bits (one block of key and 32 bytes of U). */
const TAIL: usize = STATE + 128;

/** The message schedule, each word with its round constant already added. */
const SCHEDULE = memory.data(256, 16);
/** A whole block of begin()'s longer messages. */
const MESSAGE = memory.data(64, 16);
const DIGEST = memory.data(32, 16);

const START = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19], 16);
const ROUND = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2], 16);

/** Reads PASSWORD and SALT and leaves in STATE what one iteration gives. */
export function begin(passwordLength: u32, saltLength: u32): void {
  if (passwordLength > INPUT_MAX || saltLength > INPUT_MAX) unreachable();
  if (passwordLength > 64) {
    memory.copy(DIGEST, START, 32);
    absorb(DIGEST, PASSWORD, passwordLength, 0);
    memory.fill(PASSWORD, 0, ROOM);
    for (let i: u32 = 0; i < 32; i += 4) store<u32>(PASSWORD + i, bswap(load<u32>(DIGEST + i)));
  } else {
    memory.fill(PASSWORD + passwordLength, 0, ROOM - passwordLength);
  }
  keyed(INNER, 0x36363636);
  keyed(OUTER, 0x5c5c5c5c);
  store<u32>(SALT + saltLength, 0x01000000); // block 1, big-endian: the only block of a 32-byte result
  memory.copy(BLOCK, INNER, 32);
  absorb(BLOCK, SALT, saltLength + 4, 1);
  finishBlock();
  compress(OUTER, BLOCK, BLOCK);
  memory.copy(RESULT, BLOCK, 32);
}

/** Continues STATE by so many iterations. */
export function step(iterations: u32): void {
  finishBlock();
  for (; iterations > 0; iterations--) {
    compress(INNER, BLOCK, BLOCK);
    compress(OUTER, BLOCK, BLOCK);
    v128.store(RESULT, v128.xor(v128.load(RESULT), v128.load(BLOCK)));
    v128.store(RESULT, v128.xor(v128.load(RESULT, 16), v128.load(BLOCK, 16)), 16);
  }
}

/** Forgets everything that came from a password: the midstates are as good as the password to a guesser. */
export function wipe(): void {
  memory.fill(PASSWORD, 0, ROOM);
  memory.fill(SALT, 0, ROOM);
  memory.fill(STATE, 0, 160);
  memory.fill(SCHEDULE, 0, 256);
  memory.fill(MESSAGE, 0, 64);
  memory.fill(DIGEST, 0, 32);
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

function finishBlock(): void {
  v128.store(TAIL, i32x4(0x80000000, 0, 0, 0));
  v128.store(TAIL, i32x4(0, 0, 0, 768), 16);
}

// The compression function. The rounds keep the integer units busy, so the schedule runs in the vector units
// beside them: four words at a time, sixteen rounds ahead of their use. Every line is one round with the eight
// variables' names turned by one; x and y alternate as a ^ b, which is the next round's b ^ c (Maj needs both).

function compress(from: usize, block: usize, to: usize): void {
  let w0 = v128.load(block), w1 = v128.load(block, 16), w2 = v128.load(block, 32), w3 = v128.load(block, 48);
  keep(w0, 0); keep(w1, 16); keep(w2, 32); keep(w3, 48);
  let a = load<u32>(from), b = load<u32>(from, 4), c = load<u32>(from, 8), d = load<u32>(from, 12);
  let e = load<u32>(from, 16), f = load<u32>(from, 20), g = load<u32>(from, 24), h = load<u32>(from, 28);
  let t: u32 = 0, x: u32 = 0, y: u32 = b ^ c;
  for (let at: usize = 0; at < 192; at += 64) {
    w0 = nextFour(w0, w1, w2, w3); keep(w0, at + 64);
    t = h + load<u32>(SCHEDULE + at, 0) + choose(e, f, g) + sum1(e); d += t; x = a ^ b; h = t + sum0(a) + (b ^ (x & y));
    t = g + load<u32>(SCHEDULE + at, 4) + choose(d, e, f) + sum1(d); c += t; y = h ^ a; g = t + sum0(h) + (a ^ (y & x));
    t = f + load<u32>(SCHEDULE + at, 8) + choose(c, d, e) + sum1(c); b += t; x = g ^ h; f = t + sum0(g) + (h ^ (x & y));
    t = e + load<u32>(SCHEDULE + at, 12) + choose(b, c, d) + sum1(b); a += t; y = f ^ g; e = t + sum0(f) + (g ^ (y & x));
    w1 = nextFour(w1, w2, w3, w0); keep(w1, at + 80);
    t = d + load<u32>(SCHEDULE + at, 16) + choose(a, b, c) + sum1(a); h += t; x = e ^ f; d = t + sum0(e) + (f ^ (x & y));
    t = c + load<u32>(SCHEDULE + at, 20) + choose(h, a, b) + sum1(h); g += t; y = d ^ e; c = t + sum0(d) + (e ^ (y & x));
    t = b + load<u32>(SCHEDULE + at, 24) + choose(g, h, a) + sum1(g); f += t; x = c ^ d; b = t + sum0(c) + (d ^ (x & y));
    t = a + load<u32>(SCHEDULE + at, 28) + choose(f, g, h) + sum1(f); e += t; y = b ^ c; a = t + sum0(b) + (c ^ (y & x));
    w2 = nextFour(w2, w3, w0, w1); keep(w2, at + 96);
    t = h + load<u32>(SCHEDULE + at, 32) + choose(e, f, g) + sum1(e); d += t; x = a ^ b; h = t + sum0(a) + (b ^ (x & y));
    t = g + load<u32>(SCHEDULE + at, 36) + choose(d, e, f) + sum1(d); c += t; y = h ^ a; g = t + sum0(h) + (a ^ (y & x));
    t = f + load<u32>(SCHEDULE + at, 40) + choose(c, d, e) + sum1(c); b += t; x = g ^ h; f = t + sum0(g) + (h ^ (x & y));
    t = e + load<u32>(SCHEDULE + at, 44) + choose(b, c, d) + sum1(b); a += t; y = f ^ g; e = t + sum0(f) + (g ^ (y & x));
    w3 = nextFour(w3, w0, w1, w2); keep(w3, at + 112);
    t = d + load<u32>(SCHEDULE + at, 48) + choose(a, b, c) + sum1(a); h += t; x = e ^ f; d = t + sum0(e) + (f ^ (x & y));
    t = c + load<u32>(SCHEDULE + at, 52) + choose(h, a, b) + sum1(h); g += t; y = d ^ e; c = t + sum0(d) + (e ^ (y & x));
    t = b + load<u32>(SCHEDULE + at, 56) + choose(g, h, a) + sum1(g); f += t; x = c ^ d; b = t + sum0(c) + (d ^ (x & y));
    t = a + load<u32>(SCHEDULE + at, 60) + choose(f, g, h) + sum1(f); e += t; y = b ^ c; a = t + sum0(b) + (c ^ (y & x));
  }
  t = h + load<u32>(SCHEDULE, 192) + choose(e, f, g) + sum1(e); d += t; x = a ^ b; h = t + sum0(a) + (b ^ (x & y));
  t = g + load<u32>(SCHEDULE, 196) + choose(d, e, f) + sum1(d); c += t; y = h ^ a; g = t + sum0(h) + (a ^ (y & x));
  t = f + load<u32>(SCHEDULE, 200) + choose(c, d, e) + sum1(c); b += t; x = g ^ h; f = t + sum0(g) + (h ^ (x & y));
  t = e + load<u32>(SCHEDULE, 204) + choose(b, c, d) + sum1(b); a += t; y = f ^ g; e = t + sum0(f) + (g ^ (y & x));
  t = d + load<u32>(SCHEDULE, 208) + choose(a, b, c) + sum1(a); h += t; x = e ^ f; d = t + sum0(e) + (f ^ (x & y));
  t = c + load<u32>(SCHEDULE, 212) + choose(h, a, b) + sum1(h); g += t; y = d ^ e; c = t + sum0(d) + (e ^ (y & x));
  t = b + load<u32>(SCHEDULE, 216) + choose(g, h, a) + sum1(g); f += t; x = c ^ d; b = t + sum0(c) + (d ^ (x & y));
  t = a + load<u32>(SCHEDULE, 220) + choose(f, g, h) + sum1(f); e += t; y = b ^ c; a = t + sum0(b) + (c ^ (y & x));
  t = h + load<u32>(SCHEDULE, 224) + choose(e, f, g) + sum1(e); d += t; x = a ^ b; h = t + sum0(a) + (b ^ (x & y));
  t = g + load<u32>(SCHEDULE, 228) + choose(d, e, f) + sum1(d); c += t; y = h ^ a; g = t + sum0(h) + (a ^ (y & x));
  t = f + load<u32>(SCHEDULE, 232) + choose(c, d, e) + sum1(c); b += t; x = g ^ h; f = t + sum0(g) + (h ^ (x & y));
  t = e + load<u32>(SCHEDULE, 236) + choose(b, c, d) + sum1(b); a += t; y = f ^ g; e = t + sum0(f) + (g ^ (y & x));
  t = d + load<u32>(SCHEDULE, 240) + choose(a, b, c) + sum1(a); h += t; x = e ^ f; d = t + sum0(e) + (f ^ (x & y));
  t = c + load<u32>(SCHEDULE, 244) + choose(h, a, b) + sum1(h); g += t; y = d ^ e; c = t + sum0(d) + (e ^ (y & x));
  t = b + load<u32>(SCHEDULE, 248) + choose(g, h, a) + sum1(g); f += t; x = c ^ d; b = t + sum0(c) + (d ^ (x & y));
  t = a + load<u32>(SCHEDULE, 252) + choose(f, g, h) + sum1(f); e += t; y = b ^ c; a = t + sum0(b) + (c ^ (y & x));
  store<u32>(to, a + load<u32>(from)); store<u32>(to, b + load<u32>(from, 4), 4);
  store<u32>(to, c + load<u32>(from, 8), 8); store<u32>(to, d + load<u32>(from, 12), 12);
  store<u32>(to, e + load<u32>(from, 16), 16); store<u32>(to, f + load<u32>(from, 20), 20);
  store<u32>(to, g + load<u32>(from, 24), 24); store<u32>(to, h + load<u32>(from, 28), 28);
}

// @ts-ignore: decorator
@inline function sum0(a: u32): u32 { return rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22); }
// @ts-ignore: decorator
@inline function sum1(e: u32): u32 { return rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25); }
// @ts-ignore: decorator
@inline function choose(e: u32, f: u32, g: u32): u32 { return ((f ^ g) & e) ^ g; }
// @ts-ignore: decorator
@inline function keep(words: v128, at: usize): void {
  v128.store(SCHEDULE + at, i32x4.add(words, v128.load(ROUND + at)));
}

/** Words 16 to 19 of the schedule from words 0 to 15, a to d: W[t] = s1(W[t-2]) + W[t-7] + s0(W[t-15]) + W[t-16]. */
// @ts-ignore: decorator
@inline function nextFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ago15 = v128.shuffle<i32>(a, b, 1, 2, 3, 4);
  const ago7 = v128.shuffle<i32>(c, d, 1, 2, 3, 4);
  const rotated7 = v128.xor(i32x4.shr_u(ago15, 7), i32x4.shl(ago15, 25));
  const rotated18 = v128.xor(i32x4.shr_u(ago15, 18), i32x4.shl(ago15, 14));
  const s0 = v128.xor(v128.xor(rotated7, rotated18), i32x4.shr_u(ago15, 3));
  let next = i32x4.add(i32x4.add(a, ago7), s0);
  // W[t-2] of the last two words are the first two: so in halves.
  next = i32x4.add(next, v128.shuffle<i32>(s1(v128.shuffle<i32>(d, d, 2, 2, 3, 3)), i32x4.splat(0), 0, 2, 4, 4));
  return i32x4.add(next, v128.shuffle<i32>(s1(v128.shuffle<i32>(next, next, 0, 0, 1, 1)), i32x4.splat(0), 4, 4, 0, 2));
}

/** s1 of two words, each given twice: the pair as 64 bits, shifted right, holds the word rotated in its low half. */
// @ts-ignore: decorator
@inline function s1(pairs: v128): v128 {
  return v128.xor(v128.xor(i64x2.shr_u(pairs, 17), i64x2.shr_u(pairs, 19)), i32x4.shr_u(pairs, 10));
}
