// Argon2d, Argon2i and Argon2id (RFC 9106), versions 16 and 19, one block of 1 KiB at a time.
//
// The lanes of a slice do not read one another's blocks of that slice, so that one after the other gives what
// threads would. WORK holds the blocks, lane after lane.
import { blake2b, wipeBlake2b } from "./blake2b";
import { WORK } from "./work";

/** H0's message without what the memory's size is no part of: up to 10 words, the password and the salt. */
const MESSAGE_MAX: u32 = 40 + 1024 + 1024;
export const ARGON2_MESSAGE = memory.data(2088, 16);
export const ARGON2_DIGEST = memory.data(64, 16);
/** H0, and the number of a block and of its lane; also the length and C in the last step. */
const SEED = memory.data(72, 16);
const LONG = memory.data(1028, 16);
const CHUNK = memory.data(64, 16);
/** The compression's R, then Z. */
const R = memory.data(1024, 16);
const Z = memory.data(1024, 16);
/** Data-independent addressing: its input, its 128 pseudo-random numbers, and a block of zeros. */
const INPUT = memory.data(1024, 16);
const ADDRESSES = memory.data(1024, 16);
const ZERO = memory.data(1024, 16);

const TYPE_I: u32 = 1;
const TYPE_ID: u32 = 2;

let type: u32 = 0;
let version: u32 = 0;
let passes: u32 = 0;
let lanes: u32 = 0;
let laneLength: u32 = 0;
let segmentLength: u32 = 0;
// The position: which block is next.
let pass: u32 = 0;
let slice: u32 = 0;
let lane: u32 = 0;
let index: u32 = 0;

/** From H0's message in ARGON2_MESSAGE: the first two blocks of every lane. Memory in KiB. How many are then left. */
export function argon2Begin(length: u32, y: u32, v: u32, memoryKib: u32, t: u32, p: u32): u32 {
  if (length > MESSAGE_MAX) unreachable();
  type = y;
  version = v;
  passes = t;
  lanes = p;
  segmentLength = memoryKib / (4 * p);
  laneLength = 4 * segmentLength;
  pass = 0;
  lane = 0;
  // The shortest segments have no more than the two blocks that are made here.
  slice = segmentLength > 2 ? 0 : 1;
  index = segmentLength > 2 ? 2 : 0;
  blake2b(ARGON2_MESSAGE, length, SEED, 64);
  memory.fill(ARGON2_MESSAGE, 0, MESSAGE_MAX);
  for (let l: u32 = 0; l < p; l++) {
    store<u32>(SEED + 64, 0);
    store<u32>(SEED + 68, l);
    longHash(SEED, 72, WORK + ((<usize>l * laneLength) << 10), 1024);
    store<u32>(SEED + 64, 1);
    longHash(SEED, 72, WORK + ((<usize>l * laneLength + 1) << 10), 1024);
  }
  memory.fill(SEED, 0, 72);
  return passes * lanes * laneLength - 2 * lanes;
}

/** Fills so many blocks more. */
export function argon2Step(blocks: u32): void {
  for (; blocks > 0; blocks--) {
    fillNext();
    index++;
    if (index < segmentLength) continue;
    index = 0;
    lane++;
    if (lane == lanes) {
      lane = 0;
      slice++;
      if (slice == 4) {
        slice = 0;
        pass++;
      }
    }
    if (pass == 0 && slice == 0) index = 2;
  }
}

/** Leaves so many bytes of result, at most 64, in ARGON2_DIGEST. */
export function argon2Finish(digestLength: u32): void {
  memory.fill(R, 0, 1024);
  for (let l: u32 = 0; l < lanes; l++) {
    const last = WORK + ((<usize>l * laneLength + laneLength - 1) << 10);
    for (let i: usize = 0; i < 1024; i += 16) v128.store(R + i, v128.xor(v128.load(R + i), v128.load(last + i)));
  }
  longHash(R, 1024, ARGON2_DIGEST, digestLength);
}

/** Forgets everything outside WORK. */
export function argon2Wipe(): void {
  memory.fill(ARGON2_MESSAGE, 0, MESSAGE_MAX);
  memory.fill(ARGON2_DIGEST, 0, 64);
  memory.fill(SEED, 0, 72);
  memory.fill(LONG, 0, 1028);
  memory.fill(CHUNK, 0, 64);
  memory.fill(R, 0, 1024);
  memory.fill(Z, 0, 1024);
  memory.fill(INPUT, 0, 1024);
  memory.fill(ADDRESSES, 0, 1024);
  wipeBlake2b();
}

/** H' (RFC 9106 §3.3). */
function longHash(message: usize, length: u32, to: usize, toLength: u32): void {
  store<u32>(LONG, toLength);
  memory.copy(LONG + 4, message, length);
  if (toLength <= 64) {
    blake2b(LONG, length + 4, to, toLength);
    return;
  }
  blake2b(LONG, length + 4, CHUNK, 64);
  memory.copy(to, CHUNK, 32);
  let at: u32 = 32;
  for (; toLength - at > 64; at += 32) {
    blake2b(CHUNK, 64, CHUNK, 64);
    memory.copy(to + at, CHUNK, 32);
  }
  blake2b(CHUNK, 64, to + at, toLength - at);
}

function fillNext(): void {
  const isIndependent = type == TYPE_I || (type == TYPE_ID && pass == 0 && slice < 2);
  const column = slice * segmentLength + index;
  const start = WORK + ((<usize>lane * laneLength) << 10);
  const current = start + (<usize>column << 10);
  const previous = column == 0 ? start + (<usize>(laneLength - 1) << 10) : current - 1024;

  if (isIndependent && ((index & 127) == 0 || (pass == 0 && slice == 0 && index == 2))) nextAddresses();
  const random = load<u64>(isIndependent ? ADDRESSES + ((index & 127) << 3) : previous);
  const isFirst = pass == 0 && slice == 0;
  const otherLane = isFirst ? lane : <u32>((random >> 32) % lanes);

  // RFC 9106 §3.4: which blocks may be referenced, and which of them is.
  const before = pass == 0 ? slice * segmentLength : laneLength - segmentLength;
  const area: u32 = otherLane == lane ? before + index - 1 : index == 0 ? before - 1 : before;
  const first: u64 = random & 0xffffffff;
  const back: u64 = (<u64>area * ((first * first) >> 32)) >> 32;
  const from: u32 = pass == 0 || slice == 3 ? 0 : (slice + 1) * segmentLength;
  let at: u32 = from + area - 1 - <u32>back;
  if (at >= laneLength) at -= laneLength;
  const reference = WORK + ((<usize>otherLane * laneLength + at) << 10);
  compress(previous, reference, current, pass > 0 && version != 16);
}

/** The next 128 pseudo-random numbers of this segment. */
function nextAddresses(): void {
  store<u64>(INPUT, pass);
  store<u64>(INPUT, lane, 8);
  store<u64>(INPUT, slice, 16);
  store<u64>(INPUT, laneLength * lanes, 24);
  store<u64>(INPUT, passes, 32);
  store<u64>(INPUT, type, 40);
  store<u64>(INPUT, (index >> 7) + 1, 48);
  compress(ZERO, INPUT, ADDRESSES, false);
  compress(ZERO, ADDRESSES, ADDRESSES, false);
}

/** G (RFC 9106 §3.5), xored onto what `to` holds if `onto`. */
function compress(left: usize, right: usize, to: usize, onto: bool): void {
  for (let i: usize = 0; i < 1024; i += 128) permuteRow(left + i, right + i, i);
  if (onto) {
    for (let i: usize = 0; i < 1024; i += 16) v128.store(R + i, v128.xor(v128.load(R + i), v128.load(to + i)));
  }
  for (let i: usize = 0; i < 128; i += 16) permuteColumn(i, to + i);
}

// P (RFC 9106 §3.6) of eight pairs of words, twice: four columns, then four diagonals, two of each at a time.

/** P of a row of R = left xor right, which becomes a row of Z. */
function permuteRow(left: usize, right: usize, at: usize): void {
  let a0 = v128.xor(v128.load(left), v128.load(right)), a1 = v128.xor(v128.load(left, 16), v128.load(right, 16));
  let b0 = v128.xor(v128.load(left, 32), v128.load(right, 32)), b1 = v128.xor(v128.load(left, 48), v128.load(right, 48));
  let c0 = v128.xor(v128.load(left, 64), v128.load(right, 64)), c1 = v128.xor(v128.load(left, 80), v128.load(right, 80));
  let d0 = v128.xor(v128.load(left, 96), v128.load(right, 96)), d1 = v128.xor(v128.load(left, 112), v128.load(right, 112));
  const r = R + at, z = Z + at;
  v128.store(r, a0); v128.store(r, a1, 16); v128.store(r, b0, 32); v128.store(r, b1, 48);
  v128.store(r, c0, 64); v128.store(r, c1, 80); v128.store(r, d0, 96); v128.store(r, d1, 112);
  a0 = blend(a0, b0); d0 = rotated32(v128.xor(d0, a0)); c0 = blend(c0, d0); b0 = rotated24(v128.xor(b0, c0));
  a1 = blend(a1, b1); d1 = rotated32(v128.xor(d1, a1)); c1 = blend(c1, d1); b1 = rotated24(v128.xor(b1, c1));
  a0 = blend(a0, b0); d0 = rotated16(v128.xor(d0, a0)); c0 = blend(c0, d0); b0 = rotated63(v128.xor(b0, c0));
  a1 = blend(a1, b1); d1 = rotated16(v128.xor(d1, a1)); c1 = blend(c1, d1); b1 = rotated63(v128.xor(b1, c1));
  let b = v128.shuffle<i64>(b0, b1, 1, 2); b1 = v128.shuffle<i64>(b1, b0, 1, 2); b0 = b;
  let c = c0; c0 = c1; c1 = c;
  let d = v128.shuffle<i64>(d1, d0, 1, 2); d1 = v128.shuffle<i64>(d0, d1, 1, 2); d0 = d;
  a0 = blend(a0, b0); d0 = rotated32(v128.xor(d0, a0)); c0 = blend(c0, d0); b0 = rotated24(v128.xor(b0, c0));
  a1 = blend(a1, b1); d1 = rotated32(v128.xor(d1, a1)); c1 = blend(c1, d1); b1 = rotated24(v128.xor(b1, c1));
  a0 = blend(a0, b0); d0 = rotated16(v128.xor(d0, a0)); c0 = blend(c0, d0); b0 = rotated63(v128.xor(b0, c0));
  a1 = blend(a1, b1); d1 = rotated16(v128.xor(d1, a1)); c1 = blend(c1, d1); b1 = rotated63(v128.xor(b1, c1));
  v128.store(z, a0); v128.store(z, a1, 16);
  v128.store(z, v128.shuffle<i64>(b1, b0, 1, 2), 32); v128.store(z, v128.shuffle<i64>(b0, b1, 1, 2), 48);
  v128.store(z, c1, 64); v128.store(z, c0, 80);
  v128.store(z, v128.shuffle<i64>(d0, d1, 1, 2), 96); v128.store(z, v128.shuffle<i64>(d1, d0, 1, 2), 112);
}

/** P of a column of Z, which xored with R's is the result. */
function permuteColumn(at: usize, to: usize): void {
  const r = R + at, z = Z + at;
  let a0 = v128.load(z), a1 = v128.load(z, 128), b0 = v128.load(z, 256), b1 = v128.load(z, 384);
  let c0 = v128.load(z, 512), c1 = v128.load(z, 640), d0 = v128.load(z, 768), d1 = v128.load(z, 896);
  a0 = blend(a0, b0); d0 = rotated32(v128.xor(d0, a0)); c0 = blend(c0, d0); b0 = rotated24(v128.xor(b0, c0));
  a1 = blend(a1, b1); d1 = rotated32(v128.xor(d1, a1)); c1 = blend(c1, d1); b1 = rotated24(v128.xor(b1, c1));
  a0 = blend(a0, b0); d0 = rotated16(v128.xor(d0, a0)); c0 = blend(c0, d0); b0 = rotated63(v128.xor(b0, c0));
  a1 = blend(a1, b1); d1 = rotated16(v128.xor(d1, a1)); c1 = blend(c1, d1); b1 = rotated63(v128.xor(b1, c1));
  let b = v128.shuffle<i64>(b0, b1, 1, 2); b1 = v128.shuffle<i64>(b1, b0, 1, 2); b0 = b;
  let c = c0; c0 = c1; c1 = c;
  let d = v128.shuffle<i64>(d1, d0, 1, 2); d1 = v128.shuffle<i64>(d0, d1, 1, 2); d0 = d;
  a0 = blend(a0, b0); d0 = rotated32(v128.xor(d0, a0)); c0 = blend(c0, d0); b0 = rotated24(v128.xor(b0, c0));
  a1 = blend(a1, b1); d1 = rotated32(v128.xor(d1, a1)); c1 = blend(c1, d1); b1 = rotated24(v128.xor(b1, c1));
  a0 = blend(a0, b0); d0 = rotated16(v128.xor(d0, a0)); c0 = blend(c0, d0); b0 = rotated63(v128.xor(b0, c0));
  a1 = blend(a1, b1); d1 = rotated16(v128.xor(d1, a1)); c1 = blend(c1, d1); b1 = rotated63(v128.xor(b1, c1));
  v128.store(to, v128.xor(a0, v128.load(r))); v128.store(to, v128.xor(a1, v128.load(r, 128)), 128);
  v128.store(to, v128.xor(v128.shuffle<i64>(b1, b0, 1, 2), v128.load(r, 256)), 256);
  v128.store(to, v128.xor(v128.shuffle<i64>(b0, b1, 1, 2), v128.load(r, 384)), 384);
  v128.store(to, v128.xor(c1, v128.load(r, 512)), 512); v128.store(to, v128.xor(c0, v128.load(r, 640)), 640);
  v128.store(to, v128.xor(v128.shuffle<i64>(d0, d1, 1, 2), v128.load(r, 768)), 768);
  v128.store(to, v128.xor(v128.shuffle<i64>(d1, d0, 1, 2), v128.load(r, 896)), 896);
}

/** x + y + 2 · (low half of x) · (low half of y), of both words. */
// @ts-ignore: decorator
@inline function blend(x: v128, y: v128): v128 {
  const product = i64x2.extmul_low_i32x4_u(v128.shuffle<i32>(x, x, 0, 2, 0, 2), v128.shuffle<i32>(y, y, 0, 2, 0, 2));
  return i64x2.add(i64x2.add(x, y), i64x2.add(product, product));
}
// @ts-ignore: decorator
@inline function rotated32(x: v128): v128 { return v128.shuffle<i32>(x, x, 1, 0, 3, 2); }
// @ts-ignore: decorator
@inline function rotated24(x: v128): v128 { return v128.shuffle<i8>(x, x, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10); }
// @ts-ignore: decorator
@inline function rotated16(x: v128): v128 { return v128.shuffle<i8>(x, x, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9); }
// @ts-ignore: decorator
@inline function rotated63(x: v128): v128 { return v128.xor(i64x2.shr_u(x, 63), i64x2.add(x, x)); }
