/** The isolate's one memory for Argon2 and scrypt, and the queue before it. */
import { WORKSHOP, type Work } from "../derive.ts";
import { createMemoryHard, type MemoryHard } from "./engine.ts";
import module from "./memory-hard.wasm";
import { Queue } from "./queue.ts";

/** Bytes: what a hash of the current scheme needs, and a little more. Beyond, memory is not kept for the next one. */
const KEPT_MAX = 24 * 2 ** 20;

const queue = new Queue(WORKSHOP);
let kept: MemoryHard | null = null;
/** Memory never shrinks, so what grew large is left to be collected; but until then it is used, not added to. */
let large: WeakRef<MemoryHard> | null = null;

/**
 * The result of a derivation in that memory, after all that were asked for before. Yields to other requests every
 * few milliseconds, so it must be awaited inside a request.
 */
export function runMemoryHard(start: (engine: MemoryHard) => Work): Promise<Uint8Array> {
  return queue.run(() => {
    const engine = kept ?? large?.deref() ?? createMemoryHard(module);
    const work = start(engine);
    const isLarge = engine.size() > KEPT_MAX;
    kept = isLarge ? null : engine;
    large = isLarge ? new WeakRef(engine) : null;
    return work;
  });
}
