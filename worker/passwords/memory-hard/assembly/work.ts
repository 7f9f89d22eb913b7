/** Where the memory of a derivation begins: after the first page. */
export const WORK: usize = 65536;

/** Forgets so many bytes from WORK on. */
export function wipeWork(length: usize): void {
  memory.fill(WORK, 0, length);
}
