import { describe, expect, it } from "vitest";
import { seedFromClock } from "../run.ts";
import { configWith, simulateTraffic } from "./run.ts";

describe("honest traffic and attacks against the real decisions", () => {
  for (const seed of [20_261_124, seedFromClock()]) {
    it(`under 1 % of honest clients are hindered, and no attack exceeds its limit (--seed ${seed})`, () => {
      const runs = Array.from({ length: 4 }, (_, i) => simulateTraffic(seed + i));
      const clients = runs.reduce((sum, one) => sum + one.clients, 0);
      const hindered = runs.reduce((sum, one) => sum + one.hinderedShare * one.clients, 0);
      expect(hindered / clients).toBeLessThan(0.01);
      for (const { attacks } of runs) {
        for (const { name, evaluated, limit } of attacks) {
          expect(evaluated, name).toBeLessThanOrEqual(limit);
          expect(evaluated, `${name}: it was tried`).toBeGreaterThan(0);
        }
      }
    });
  }

  it("sees what it must see: with the patterns off, spraying and forging exceed the same numbers", () => {
    const off = { ABUSE_RAPID_LOGIN: "off", ABUSE_PASSWORD_SPRAY: "off", ABUSE_TOKEN_BRUTE_FORCE: "off" };
    const [, , short, long, , tokens] = simulateTraffic(7, configWith(off)).attacks;
    expect(short?.evaluated).toBeGreaterThan(5);
    expect(long?.evaluated).toBeGreaterThan(10);
    expect(tokens?.evaluated).toBeGreaterThan(100);
  });
});
