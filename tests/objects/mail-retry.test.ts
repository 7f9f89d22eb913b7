/** When mail is tried again. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decideRetry } from "../../objects/mail-retry.ts";

const DAY_MS = 86_400_000;

test("twice as long after each failure, half an hour at most", () => {
  const waits = [0, 1, 2, 3, 9, 10, 11, 200].map((attempts) => decideRetry({ attempts, askedAtMs: 0 }, 1000));
  const seconds = [2, 4, 8, 16, 1024, 1800, 1800, 1800];
  expect(waits).toEqual(seconds.map((one) => 1000 + one * 1000));
});

test("RFC 5321 §4.5.4.1: it is given up after five days, and not a moment before", () => {
  expect(decideRetry({ attempts: 300, askedAtMs: 0 }, 5 * DAY_MS - 1)).not.toBeNull();
  expect(decideRetry({ attempts: 0, askedAtMs: 0 }, 5 * DAY_MS)).toBeNull();
});

test("a retry always lies ahead, and never further than half an hour", () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(5 * DAY_MS - 1), (attempts, nowMs) => {
      const at = decideRetry({ attempts, askedAtMs: 0 }, nowMs) ?? Number.NaN;
      expect(at).toBeGreaterThan(nowMs);
      expect(at - nowMs).toBeLessThanOrEqual(1_800_000);
    }),
  );
});
