/**
 * Whether two byte strings are the same, in a time that tells nothing about where they differ.
 * The length is no secret: it follows from the stored algorithm. A plain loop rather than the runtime's own
 * `timingSafeEqual`, which exists in Workers but not in Node's Web Crypto, and throws on different lengths.
 */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0);
  return difference === 0;
}
