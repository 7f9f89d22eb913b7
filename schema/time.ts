/**
 * Time is NumericDate (RFC 7519 §2): whole seconds since 1970 UTC, in a plain number. What is in
 * milliseconds says so in its name (`…Ms`), what is a duration says `…Seconds`.
 */
export type NumericDate = number;

/** A moment in milliseconds as a NumericDate. */
export function toNumericDate(atMs: number): NumericDate {
  return Math.floor(atMs / 1000);
}

/** A NumericDate as ISO 8601 in UTC, which is how answers and receipts spell time. */
export function toIso(at: NumericDate): string {
  return new Date(at * 1000).toISOString();
}

/** True for `forMs` milliseconds from `atMs` on, and not before: a clock that was set back keeps nothing fresh. */
export function isFresh(atMs: number, nowMs: number, forMs: number): boolean {
  return nowMs >= atMs && nowMs - atMs < forMs;
}
