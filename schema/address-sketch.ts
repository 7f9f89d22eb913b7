/**
 * How many distinct addresses there were, without keeping any: a HyperLogLog sketch (Flajolet et
 * al. 2007) of 4,096 registers, read with Ertl's estimator (2017, "New cardinality estimation
 * algorithms for HyperLogLog sketches", algorithm 6), which needs no correction by table.
 * Standard error 1.04/√4096 = 1.6 %, and close to none for a few hundred. Pure.
 *
 * Merging is a maximum: the same address, or the same sketch, added twice changes nothing.
 */
const INDEX_BITS = 12;
const REGISTERS = 2 ** INDEX_BITS;
/** The bits of a hash that are not the index: 64 in all. */
const RANK_BITS = 64 - INDEX_BITS;
/** One character a register while most are set, three (two of its index) while few are. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));
const SPARSE_MAX = Math.floor(REGISTERS / 3) - 1;

/** The relative standard error of a count. */
export const SKETCH_ERROR = 0.016;

/** A sketch as it is kept; the empty text is the empty sketch. */
export type Sketch = string;

/** The registers of a sketch in memory, for merging many. */
export class AddressSketch {
  readonly #ranks = new Uint8Array(REGISTERS);

  /** Adds one address by at least eight bytes of its keyed hash. */
  add(hash: Uint8Array): void {
    const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
    const bits = view.getBigUint64(0);
    const index = Number(bits >> BigInt(RANK_BITS));
    const rest = BigInt.asUintN(RANK_BITS, bits);
    const rank = RANK_BITS - (rest === 0n ? 0 : rest.toString(2).length) + 1;
    this.#raise(index, rank);
  }

  /** Adds all that `kept` has seen. What is not a sketch is a mistake of ours, and thrown. */
  merge(kept: Sketch): void {
    const values = [...kept].map(rankOf);
    if (values.length === REGISTERS) {
      values.forEach((rank, index) => {
        this.#raise(index, rank);
      });
      return;
    }
    for (let i = 0; i + 2 < values.length; i += 3) {
      this.#raise((values[i] ?? 0) * 64 + (values[i + 1] ?? 0), values[i + 2] ?? 0);
    }
  }

  /** The sketch as text: at most 4,096 characters. */
  toText(): Sketch {
    const set = [...this.#ranks.entries()].filter(([, rank]) => rank > 0);
    if (set.length > SPARSE_MAX) return [...this.#ranks].map(character).join("");
    return set
      .map(([index, rank]) => character(index >> 6) + character(index & 63) + character(rank))
      .join("");
  }

  /** The estimated number of distinct addresses, a whole number. */
  estimate(): number {
    const counts = new Array<number>(RANK_BITS + 2).fill(0);
    for (const rank of this.#ranks) counts[rank] = (counts[rank] ?? 0) + 1;
    const share = (rank: number): number => (counts[rank] ?? 0) / REGISTERS;
    let z = REGISTERS * tau(1 - share(RANK_BITS + 1));
    for (let rank = RANK_BITS; rank >= 1; rank -= 1) z = (z + (counts[rank] ?? 0)) / 2;
    z += REGISTERS * sigma(share(0));
    return Math.round(REGISTERS ** 2 / (2 * Math.LN2 * z));
  }

  #raise(index: number, rank: number): void {
    this.#ranks[index] = Math.max(this.#ranks[index] ?? 0, rank);
  }
}

function character(value: number): string {
  return ALPHABET.charAt(value);
}

function rankOf(text: string): number {
  const value = VALUES.get(text);
  if (value === undefined) throw new Error("not a sketch");
  return value;
}

/** Ertl's σ: what registers that nothing has reached say. */
function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let [x, y, z, before] = [share, 1, share, Number.NaN];
  while (z !== before) {
    before = z;
    x *= x;
    z += x * y;
    y += y;
  }
  return z;
}

/** Ertl's τ: what registers that can rise no further say. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let [x, y, z, before] = [share, 1, 1 - share, Number.NaN];
  while (z !== before) {
    before = z;
    x = Math.sqrt(x);
    y /= 2;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}
