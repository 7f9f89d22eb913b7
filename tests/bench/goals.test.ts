import { describe, expect, it } from "vitest";
import { Findings, isMet, operationGoals } from "./goals.ts";
import type { Row } from "./measure.ts";

const row = (name: string, p50s: number[], loops = 1): Row => ({
  name,
  loops,
  readings: p50s.map((p50) => ({ p50, p95: p50, perSecond: 1000 / p50, cpuMs: null, requests: 10 })),
});

describe("findings", () => {
  const found = new Findings([row("ours", [2, 6]), row("floor", [1, 2]), row("ours", [40, 40], 32)]);

  it("compare operations round by round, at the same number of loops", () => {
    expect(found.ratio({ name: "ours" }, { name: "floor" })).toEqual({ min: 2, median: 2.5, max: 3 });
    expect(found.difference({ name: "ours" }, { name: "floor" })).toEqual({ min: 1, median: 2.5, max: 4 });
    expect(found.value({ name: "ours", loops: 32 }, "p50")).toEqual({ min: 40, median: 40, max: 40 });
  });

  it("are nothing for what was not measured", () => {
    expect(found.ratio({ name: "ours" }, { name: "another" })).toBeNull();
    expect(found.value({ name: "ours" }, "cpuMs")).toBeNull();
  });
});

describe("goals", () => {
  it("are met by the middle of the rounds, missed above it, and neither where nothing was measured", () => {
    const goals = operationGoals([row("refresh", [1.5, 9, 1.6]), row("refresh floor", [1, 1, 1])], [1]);
    const of = (name: string) => goals.find((goal) => goal.name === name);
    const refresh = of("refresh ÷ refresh floor");
    expect(refresh && isMet(refresh)).toBe(true);
    const verify = of("verify ÷ signature check");
    expect(verify && isMet(verify)).toBeNull();
    const spread = { min: 1, median: 1.2, max: 2 };
    expect(isMet({ name: "", unit: "", found: spread, atMost: 1.1 })).toBe(false);
    expect(isMet({ name: "", unit: "", found: spread, atLeast: 1.2 })).toBe(true);
  });
});
