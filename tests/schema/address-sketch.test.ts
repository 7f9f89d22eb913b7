import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { AddressSketch, SKETCH_ERROR } from "../../schema/address-sketch.ts";

const hashOf = (text: string) => new Uint8Array(createHash("sha256").update(text).digest());

function sketchOf(from: number, to: number): AddressSketch {
  const sketch = new AddressSketch();
  for (let i = from; i < to; i += 1) sketch.add(hashOf(`address ${i}`));
  return sketch;
}

describe("the sketch of distinct addresses", () => {
  test("the empty one counts none and is the empty text", () => {
    expect(new AddressSketch().estimate()).toBe(0);
    expect(new AddressSketch().toText()).toBe("");
  });

  test.for([1, 10, 100, 1000, 1365, 5000, 20_000, 100_000])(
    "%i addresses, within four standard errors",
    (n) => {
      const estimate = sketchOf(0, n).estimate();
      expect(Math.abs(estimate - n)).toBeLessThanOrEqual(Math.max(1, 4 * SKETCH_ERROR * n));
    },
  );

  test("the same address twice is one", () => {
    const sketch = sketchOf(0, 300);
    const before = sketch.toText();
    for (let i = 0; i < 300; i += 1) sketch.add(hashOf(`address ${i}`));
    expect(sketch.toText()).toBe(before);
  });

  test.for([60, 1300, 8000])("%i: merged from parts, in any order and twice, it is the whole", (n) => {
    const parts = [sketchOf(0, n / 2), sketchOf(n / 4, n), sketchOf(0, n / 2)].map((one) => one.toText());
    const [forth, back] = [parts, parts.toReversed()].map((texts) => {
      const merged = new AddressSketch();
      for (const text of texts) merged.merge(text);
      return merged.toText();
    });
    expect(forth).toBe(sketchOf(0, n).toText());
    expect(back).toBe(forth);
    expect(forth?.length).toBeLessThanOrEqual(4096);
  });

  test("what is no sketch is refused", () => {
    expect(() => new AddressSketch().merge("a!b")).toThrow("not a sketch");
  });
});
