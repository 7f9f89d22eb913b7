/**
 * The limits that a deployed Worker meets and a local one does not: without them a password hash that can never
 * be verified in production passes every test here.
 */
import nodeCrypto from "node:crypto";

/** `DEFAULT_MAX_PBKDF2_ITERATIONS` of the runtime; Web Crypto and `node:crypto` ask the same check. */
const PBKDF2_ITERATIONS_MAX = 100_000;

/**
 * From now on, in this isolate, the runtime's own PBKDF2 refuses what it refuses in production. Covers
 * `crypto.subtle` and `node:crypto`'s default export; a named import of `pbkdf2` is out of reach. Calling it again
 * changes nothing that matters: the refusals then stand in two rows.
 */
export function emulateProductionLimits(): void {
  const subtle = crypto.subtle;
  const deriveBits = subtle.deriveBits.bind(subtle);
  const deriveKey = subtle.deriveKey.bind(subtle);
  subtle.deriveBits = async (...args: Parameters<typeof deriveBits>) => {
    refuseAboveCap(iterationsOf(args[0]));
    return deriveBits(...args);
  };
  subtle.deriveKey = async (...args: Parameters<typeof deriveKey>) => {
    refuseAboveCap(iterationsOf(args[0]));
    return deriveKey(...args);
  };

  const { pbkdf2, pbkdf2Sync } = nodeCrypto;
  nodeCrypto.pbkdf2 = (password, salt, iterations, ...rest) => {
    refuseAboveCap(iterations);
    pbkdf2(password, salt, iterations, ...rest);
  };
  nodeCrypto.pbkdf2Sync = (password, salt, iterations, ...rest) => {
    refuseAboveCap(iterations);
    return pbkdf2Sync(password, salt, iterations, ...rest);
  };
}

function iterationsOf(algorithm: unknown): number {
  const given = typeof algorithm === "object" && algorithm !== null && "iterations" in algorithm;
  return given && typeof algorithm.iterations === "number" ? algorithm.iterations : 0;
}

function refuseAboveCap(iterations: number): void {
  if (iterations <= PBKDF2_ITERATIONS_MAX) return;
  const message = `Pbkdf2 failed: iteration counts above ${PBKDF2_ITERATIONS_MAX} are not supported (requested ${iterations}).`;
  throw new DOMException(message, "NotSupportedError");
}
