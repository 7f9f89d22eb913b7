import { describe, expect, test } from "vitest";
import { describeProgress, Progress } from "../../../schema/django/progress.ts";

describe("how far it has come", () => {
  test.for<[number, number | null, number, string]>([
    [1_200, 5_000, 2, "1200 of 5000 records, 600 a second, 0:07 left"],
    [10, 100_010, 1, "10 of 100010 records, 10 a second, 2:46:40 left"],
    [5_000, 5_000, 4, "5000 of 5000 records, 1250 a second"],
    [0, 5_000, 1, "0 of 5000 records, 0 a second"],
    [700, null, 1, "700 records, 700 a second"],
  ])("%d of %s after %d s", ([done, total, seconds, line]) => {
    expect(describeProgress("records", done, total, seconds)).toBe(line);
  });

  const shown = (isTTY: boolean) => {
    let text = "";
    const progress = new Progress({ isTTY, write: (more) => (text += more) }, "x: ");
    progress.begin("records", 2);
    progress.add();
    progress.say("refused: one");
    progress.add();
    progress.end();
    return text;
  };

  test("a terminal gets a bar that is redrawn in its line", () => {
    const lines = shown(true).split("\r\u001b[K");
    expect(lines.slice(0, 2)).toEqual(["", "x: refused: one\n"]);
    expect(lines[2]).toMatch(/^x: \[#{24}\] 100% 2 of 2 records, \d+ a second\n$/);
  });

  test("anything else gets plain lines", () => {
    expect(shown(false)).toMatch(/^x: refused: one\nx: 2 of 2 records, \d+ a second\n$/);
  });
});
