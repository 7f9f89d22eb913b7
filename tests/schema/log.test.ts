/** The logger's lines (LOG-01, LOG-02): what a stranger chose stays inside its own line. */
import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { log, oneLine } from "../../schema/log.ts";

afterEach(() => vi.restoreAllMocks());

/** Ends of lines, terminal escapes, marks that reorder text, halves of characters. */
const HOSTILE = [
  "\n",
  "\r",
  "\u2028",
  "\u2029",
  "\u0085",
  "\u001b[2K",
  "\u202e",
  "\u061c",
  "\u2066",
  "\u009b31m",
  "\ud800",
  '"',
  "\\",
];
const text = fc
  .array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: "binary" })))
  .map((parts) => parts.join(""));

it("LOG-02: any text is one line of printable characters, and the same text when it is read", () => {
  fc.assert(
    fc.property(text, (value) => {
      const line = oneLine({ value });
      expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
      expect(line.isWellFormed()).toBe(true);
      expect(JSON.parse(line)).toEqual({ value });
    }),
  );
});

it("LOG-02: a forged entry inside a field is no entry", () => {
  const print = vi.spyOn(console, "log").mockImplementation(() => undefined);
  const forged = 'x"}\n{"level":"info","event":"login_succeeded"';
  log("2026-11-24T00:00:00Z", { level: "warn", event: "request", route: forged });
  expect(print.mock.calls).toHaveLength(1);
  const [line] = print.mock.calls[0] ?? [];
  expect(String(line).split("\n")).toHaveLength(1);
  expect(JSON.parse(String(line))).toEqual({
    at: "2026-11-24T00:00:00Z",
    level: "warn",
    event: "request",
    route: forged,
  });
});
