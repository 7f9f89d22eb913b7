/** How many passwords are hashed: what an attacker waits for, and what must be the same for every name. */
import { vi } from "vitest";
import { WORKSHOP } from "../../worker/passwords/derive.ts";

/** Runs `work`; how many derivations came to their end meanwhile. Each one leaves the isolate's workshop once. */
export async function hashesOf(work: () => Promise<unknown>): Promise<number> {
  const leave = vi.spyOn(WORKSHOP.slices, "leave");
  try {
    await work();
    return leave.mock.calls.length;
  } finally {
    leave.mockRestore();
  }
}
