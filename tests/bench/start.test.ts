import { expect, it } from "vitest";
import { busyMs } from "./start.ts";

it("a start costs what ran, garbage collection too, and not what it waited", () => {
  const node = (id: number, functionName: string) => ({ id, callFrame: { functionName } });
  const nodes = [node(1, "(root)"), node(2, "(idle)"), node(3, "init"), node(4, "(garbage collector)")];
  const samples = [3, 2, 2, 4, 3];
  expect(busyMs({ nodes, samples, timeDeltas: [1000, 5000, 5000, 500, 2500] })).toBe(4);
});
