import { describe, expect, it } from "vitest";
import { median, quantile, ratios, shuffled, spreadOf } from "./statistics.ts";

describe("quantile, by nearest rank", () => {
  it.each([
    { values: [3, 1, 2], q: 0.5, expected: 2 },
    { values: [4, 1, 3, 2], q: 0.5, expected: 2 },
    { values: [4, 1, 3, 2], q: 0.95, expected: 4 },
    { values: [1, 2], q: 0, expected: 1 },
    { values: [1, 2], q: 1, expected: 2 },
    { values: [7], q: 0.99, expected: 7 },
    { values: [], q: 0.5, expected: Number.NaN },
  ])("$q of $values is $expected", ({ values, q, expected }) => {
    expect(quantile(values, q)).toBe(expected);
  });

  it("leaves the values in their order", () => {
    const values = [3, 1, 2];
    quantile(values, 0.5);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe("median", () => {
  it.each([
    { values: [3, 1, 2], expected: 2 },
    { values: [4, 1, 3, 2], expected: 2.5 },
    { values: [], expected: Number.NaN },
  ])("of $values is $expected", ({ values, expected }) => {
    expect(median(values)).toBe(expected);
  });
});

describe("ratios", () => {
  it("compare round with round, never one round with another", () => {
    expect(ratios([2, 30, 4], [1, 10, 4])).toEqual({ min: 1, median: 2, max: 3 });
  });

  it("leave out a round that lacks either of the two, or whose floor is nothing", () => {
    expect(ratios([2, null, 4, 5], [1, 1, null, 0])).toEqual({ min: 2, median: 2, max: 2 });
    expect(ratios([2, 4], [1])).toEqual({ min: 2, median: 2, max: 2 });
  });

  it("are nothing where nothing was measured", () => {
    expect(ratios([], [])).toBeNull();
    expect(spreadOf([])).toBeNull();
  });
});

describe("shuffled", () => {
  it("keeps every item once, in the order of the dice", () => {
    expect(shuffled([1, 2, 3], () => 0)).toEqual([1, 2, 3]);
    expect(shuffled([1, 2, 3], () => 0.99)).toEqual([3, 2, 1]);
    expect(shuffled([1, 2, 3, 4], Math.random).sort()).toEqual([1, 2, 3, 4]);
  });
});
