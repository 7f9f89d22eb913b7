// BLAKE2b (RFC 7693) without a key, of a message in one piece. Argon2 spends next to no time in it.

const START = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
  0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179], 16);
const SIGMA = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
  11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
  7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
  9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
  2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
  12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
  13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
  6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
  10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0], 16);

const STATE = memory.data(64, 16);
const WORDS = memory.data(128, 16);
const MESSAGE = memory.data(128, 16);

/** The digest of `length` bytes at `message`: `digestLength` bytes, at most 64, at `digest`. */
export function blake2b(message: usize, length: u32, digest: usize, digestLength: u32): void {
  memory.copy(STATE, START, 64);
  store<u64>(STATE, load<u64>(STATE) ^ 0x01010000 ^ digestLength);
  let at: u32 = 0;
  for (; length - at > 128; at += 128) {
    memory.copy(MESSAGE, message + at, 128);
    compress(at + 128, 0);
  }
  memory.fill(MESSAGE, 0, 128);
  memory.copy(MESSAGE, message + at, length - at);
  compress(length, -1);
  memory.copy(digest, STATE, digestLength);
}

/** Forgets what the last message left. */
export function wipeBlake2b(): void {
  memory.fill(STATE, 0, 64);
  memory.fill(WORDS, 0, 128);
  memory.fill(MESSAGE, 0, 128);
}

function compress(counter: u64, last: u64): void {
  memory.copy(WORDS, STATE, 64);
  memory.copy(WORDS + 64, START, 64);
  store<u64>(WORDS, load<u64>(WORDS, 96) ^ counter, 96);
  store<u64>(WORDS, load<u64>(WORDS, 112) ^ last, 112);
  for (let round: u32 = 0; round < 12; round++) {
    const sigma = SIGMA + (round % 10) * 16;
    mix(0, 4, 8, 12, sigma); mix(1, 5, 9, 13, sigma + 2); mix(2, 6, 10, 14, sigma + 4); mix(3, 7, 11, 15, sigma + 6);
    mix(0, 5, 10, 15, sigma + 8); mix(1, 6, 11, 12, sigma + 10); mix(2, 7, 8, 13, sigma + 12); mix(3, 4, 9, 14, sigma + 14);
  }
  for (let i: usize = 0; i < 64; i += 8) {
    store<u64>(STATE + i, load<u64>(STATE + i) ^ load<u64>(WORDS + i) ^ load<u64>(WORDS + i, 64));
  }
}

function mix(ia: usize, ib: usize, ic: usize, id: usize, sigma: usize): void {
  let a = load<u64>(WORDS + ia * 8), b = load<u64>(WORDS + ib * 8), c = load<u64>(WORDS + ic * 8), d = load<u64>(WORDS + id * 8);
  a += b + load<u64>(MESSAGE + (<usize>load<u8>(sigma)) * 8); d = rotr(d ^ a, 32); c += d; b = rotr(b ^ c, 24);
  a += b + load<u64>(MESSAGE + (<usize>load<u8>(sigma, 1)) * 8); d = rotr(d ^ a, 16); c += d; b = rotr(b ^ c, 63);
  store<u64>(WORDS + ia * 8, a); store<u64>(WORDS + ib * 8, b); store<u64>(WORDS + ic * 8, c); store<u64>(WORDS + id * 8, d);
}
