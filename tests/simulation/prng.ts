/** The only randomness of the simulation: the same seed makes the same schedule on every machine. */
import { asSessionId, asTokenId, type SessionId, type TokenId } from "../../schema/ids.ts";

/** Mulberry32. Its seeds are scrambled first: neighbouring ones must not make similar schedules. */
export class Prng {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b) ^ 0x9e3779b9;
  }

  /** From 0 to 1, without 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number, both ends included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.int(0, items.length - 1)] ?? items[0];
  }

  /** One of a list that may be empty. */
  pickAny<T>(items: readonly T[]): T | null {
    return items[this.int(0, items.length - 1)] ?? null;
  }

  /** Takes one out of a list, which is left in another order. */
  takeAny<T>(items: T[]): T | null {
    const taken = this.pickAny(items);
    const last = items.pop();
    if (taken === null || last === undefined) return null;
    if (last !== taken) items[items.indexOf(taken)] = last;
    return taken;
  }
}

/** Ids in the shape of real ones, numbered so that a trace can be read. */
export class Ids {
  readonly #schedule: string;
  #count = 0;

  constructor(seed: number) {
    this.#schedule = seed.toString(36).padStart(7, "0");
  }

  session(): SessionId {
    return known(asSessionId(this.#next("S")));
  }

  token(): TokenId {
    return known(asTokenId(this.#next("T")));
  }

  #next(kind: string): string {
    this.#count += 1;
    return `${kind}${this.#schedule}-${this.#count.toString(36).padStart(13, "0")}`;
  }
}

function known<T>(id: T | null): T {
  if (id === null) throw new Error("an id without the shape of one");
  return id;
}
