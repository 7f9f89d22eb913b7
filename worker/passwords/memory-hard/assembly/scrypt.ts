// scryptROMix (RFC 7914 §4 and §5) of every block of B in turn. PBKDF2 before and after it is the caller's.
//
// WORK holds B (parallelization × 128 r bytes, which the caller writes and takes back), X and Y, and the table V.
// In X, Y and V the sixteen words of a 64-byte block lie along the diagonals that Salsa20 works on, four at a time.
import { WORK } from "./work";

let cost: u32 = 0;
let blockSize: u32 = 0;
/** Bytes of X, Y and of one row of V. */
let size: u32 = 0;
let x: usize = 0;
let y: usize = 0;
let table: usize = 0;
/** Which block of B, and how many of its 2 × cost steps are done. */
let block: u32 = 0;
let done: u32 = 0;

/** How many steps there are. */
export function scryptBegin(N: u32, r: u32, p: u32): u32 {
  cost = N;
  blockSize = r;
  size = 128 * r;
  x = WORK + p * size;
  y = x + size;
  table = y + size;
  block = 0;
  done = 0;
  return 2 * N * p;
}

/** So many steps more. */
export function scryptStep(steps: u32): void {
  for (; steps > 0; steps--) {
    if (done == 0) toDiagonals(WORK + block * size, table);
    if (done < cost) {
      const row = table + done * size;
      mix(row, row, false, done + 1 < cost ? row + size : x);
    } else {
      const isEven = ((done - cost) & 1) == 0;
      const from = isEven ? x : y;
      const row = load<u32>(from + size - 64) & (cost - 1);
      mix(from, table + row * size, true, isEven ? y : x);
    }
    done++;
    if (done == 2 * cost) {
      fromDiagonals(x, WORK + block * size);
      done = 0;
      block++;
    }
  }
}

/** scryptBlockMix of `from`, which is first xored with another row if `isXored`. */
// @ts-ignore: decorator
@inline function mix(from: usize, other: usize, isXored: bool, to: usize): void {
  const last = size - 64;
  let a = v128.load(from + last), b = v128.load(from + last, 16), c = v128.load(from + last, 32), d = v128.load(from + last, 48);
  if (isXored) {
    a = v128.xor(a, v128.load(other + last)); b = v128.xor(b, v128.load(other + last, 16));
    c = v128.xor(c, v128.load(other + last, 32)); d = v128.xor(d, v128.load(other + last, 48));
  }
  for (let i: u32 = 0; i < 2 * blockSize; i++) {
    const at = from + i * 64;
    a = v128.xor(a, v128.load(at)); b = v128.xor(b, v128.load(at, 16));
    c = v128.xor(c, v128.load(at, 32)); d = v128.xor(d, v128.load(at, 48));
    if (isXored) {
      const peer = other + i * 64;
      a = v128.xor(a, v128.load(peer)); b = v128.xor(b, v128.load(peer, 16));
      c = v128.xor(c, v128.load(peer, 32)); d = v128.xor(d, v128.load(peer, 48));
    }
    const a0 = a, b0 = b, c0 = c, d0 = d;
    for (let round = 0; round < 4; round++) {
      b = v128.xor(b, rotated(i32x4.add(a, d), 7)); c = v128.xor(c, rotated(i32x4.add(b, a), 9));
      d = v128.xor(d, rotated(i32x4.add(c, b), 13)); a = v128.xor(a, rotated(i32x4.add(d, c), 18));
      b = v128.shuffle<i32>(b, b, 3, 0, 1, 2); c = v128.shuffle<i32>(c, c, 2, 3, 0, 1); d = v128.shuffle<i32>(d, d, 1, 2, 3, 0);
      d = v128.xor(d, rotated(i32x4.add(a, b), 7)); c = v128.xor(c, rotated(i32x4.add(d, a), 9));
      b = v128.xor(b, rotated(i32x4.add(c, d), 13)); a = v128.xor(a, rotated(i32x4.add(b, c), 18));
      b = v128.shuffle<i32>(b, b, 1, 2, 3, 0); c = v128.shuffle<i32>(c, c, 2, 3, 0, 1); d = v128.shuffle<i32>(d, d, 3, 0, 1, 2);
    }
    a = i32x4.add(a, a0); b = i32x4.add(b, b0); c = i32x4.add(c, c0); d = i32x4.add(d, d0);
    const out = to + ((i >> 1) + (i & 1) * blockSize) * 64;
    v128.store(out, a); v128.store(out, b, 16); v128.store(out, c, 32); v128.store(out, d, 48);
  }
}

// @ts-ignore: decorator
@inline function rotated(words: v128, by: i32): v128 {
  return v128.or(i32x4.shl(words, by), i32x4.shr_u(words, 32 - by));
}

function toDiagonals(from: usize, to: usize): void {
  for (let at: u32 = 0; at < size; at += 64) {
    for (let i: u32 = 0; i < 16; i++) store<u32>(to + at + i * 4, load<u32>(from + at + ((i * 5) & 15) * 4));
  }
}

function fromDiagonals(from: usize, to: usize): void {
  for (let at: u32 = 0; at < size; at += 64) {
    for (let i: u32 = 0; i < 16; i++) store<u32>(to + at + ((i * 5) & 15) * 4, load<u32>(from + at + i * 4));
  }
}
