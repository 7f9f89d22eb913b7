import { expect, test } from "vitest";
import { ROUND_US, type Share, SLICE_MIN_US, Slices } from "../../../worker/passwords/slices.ts";

const shares = (count: number): Share[] => Array.from({ length: count }, () => ({}));

test("whoever is alone has the whole allowance", () => {
  const slices = new Slices();
  const [alone = {}] = shares(1);
  for (let round = 0; round < 10; round += 1) expect(slices.next(alone)).toBe(ROUND_US);
});

test("four share it in equal parts, and have more again when one is done", () => {
  const slices = new Slices();
  const four = shares(4);
  for (const share of four) slices.next(share);
  for (const share of four) expect(slices.next(share)).toBe(ROUND_US / 4);
  for (const share of four.slice(2)) slices.leave(share);
  for (const share of four.slice(0, 2)) expect(slices.next(share)).toBe(ROUND_US / 2);
});

test("however many there are, everyone gets on", () => {
  const slices = new Slices();
  for (const share of shares(1_000)) expect(slices.next(share)).toBeGreaterThanOrEqual(SLICE_MIN_US);
});

test("a cancelled derivation loses its share after a few rounds of the others", () => {
  const slices = new Slices();
  for (const gone of shares(100)) slices.next(gone);
  const [left = {}] = shares(1);
  for (let slice = 0; slice < 1_000; slice += 1) slices.next(left);
  expect(slices.next(left)).toBe(ROUND_US);
});

test("whoever was taken to be gone and comes back has a share again", () => {
  const slices = new Slices();
  const [slow = {}, quick = {}] = shares(2);
  slices.next(slow);
  for (let slice = 0; slice < 20; slice += 1) slices.next(quick);
  expect(slices.next(quick)).toBe(ROUND_US);
  expect(slices.next(slow)).toBe(ROUND_US / 2);
  expect(slices.next(quick)).toBe(ROUND_US / 2);
});

test("whoever asks is there, whoever has left or does not ask any more is not", () => {
  const slices = new Slices();
  const [here = {}, left = {}, silent = {}] = shares(3);
  for (const share of [silent, left, here]) slices.next(share);
  expect([silent, left, here].map((share) => slices.has(share))).toEqual([true, true, true]);
  slices.leave(left);
  for (let slice = 0; slice < 20; slice += 1) slices.next(here);
  expect([silent, left, here].map((share) => slices.has(share))).toEqual([false, false, true]);
});
