/** How many passwords are hashed: what an attacker waits for, and what must be the same for every name. */
import { vi } from "vitest";

/** More than any other buffer of the service: the memory of a new hash (19 MiB) is in it. */
const HASH_MEMORY_BYTES = 16 * 1024 * 1024;

/** Runs `work`; how often Argon2 ran meanwhile. Each run wipes its password from the module's memory, which is seen here. */
export async function hashesOf(work: () => Promise<unknown>): Promise<number> {
  const wipes = vi.spyOn(Uint8Array.prototype, "fill");
  try {
    await work();
    const wiped = wipes.mock.contexts.filter((one): one is Uint8Array => one instanceof Uint8Array);
    return wiped.filter(({ buffer }) => buffer.byteLength > HASH_MEMORY_BYTES).length;
  } finally {
    wipes.mockRestore();
  }
}
