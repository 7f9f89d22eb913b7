import { describe, expect, it } from "vitest";
import { readOptions } from "./arguments.ts";

describe("the bench's command line", () => {
  it("is a full run of all parts if it says nothing", () => {
    expect(readOptions([])).toMatchObject({
      rounds: 7,
      users: [100, 10_000],
      pastSessions: 1000,
      revokeSizes: [1, 10, 100, 1000],
      parts: ["operations", "growth", "calls", "start"],
      only: null,
      json: null,
    });
  });

  it("is a short one with --quick, and what is said besides counts more", () => {
    const quick = readOptions(["--quick"]);
    expect(quick.rounds).toBeLessThan(7);
    expect(quick.users).toEqual([100, 1000]);
    const said = readOptions(["--quick", "--rounds", "12", "--slice-ms", "40", "--json", "out.json"]);
    expect(said).toMatchObject({ rounds: 12, sliceMs: 40, json: "out.json", users: [100, 1000] });
  });

  it("measures the parts that are named, and the operations that hold a text", () => {
    const options = readOptions(["--part", "calls", "--part", "growth", "--only", "refresh"]);
    expect(options).toMatchObject({ parts: ["calls", "growth"], only: "refresh" });
  });

  it("soaks for ten minutes where that is asked for, or as long as is said", () => {
    expect(readOptions(["--part", "soak"])).toMatchObject({ parts: ["soak"], minutes: 10 });
    expect(readOptions(["--part", "soak", "--minutes", "2"])).toMatchObject({ minutes: 2 });
  });

  it.each([
    [["--rounds", "0"]],
    [["--rounds", "1.5"]],
    [["--rounds", "many"]],
    [["--slice-ms", "-5"]],
    [["--part", "everything"]],
    [["--fast"]],
    [["refresh"]],
  ])("refuses %j and says how to ask", (args) => {
    expect(() => readOptions(args)).toThrow(RangeError);
    expect(() => readOptions(args)).toThrow(/usage: npm run bench/);
  });
});
