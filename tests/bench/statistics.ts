/** The arithmetic of the bench: quantiles, and ratios that only ever compare what one round measured. Pure. */

/** The value that a share `q` (0 to 1) of the values does not exceed; nearest rank. NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  const rank = Math.ceil(q * sorted.length);
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

export type Spread = { min: number; median: number; max: number };

/** Null of none. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  return { min: Math.min(...values), median: median(values), max: Math.max(...values) };
}

/** Both lists are in the order of the rounds; a round that lacks either of the two gives no ratio. */
export function ratios(ours: readonly (number | null)[], floor: readonly (number | null)[]): Spread | null {
  const quotients = ours.flatMap((one, round) => {
    const other = floor[round] ?? null;
    return one === null || other === null || !(other > 0) ? [] : [one / other];
  });
  return spreadOf(quotients);
}

/** A copy in another order. `dice` gives numbers from 0 to 1, without 1 (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], dice: () => number): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(dice() * left.length), 1));
  return order;
}
