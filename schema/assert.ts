/** For what can only be false by our own mistake. Never for input, never for an outage. */
export function assert(condition: boolean, law: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${law}`);
}
