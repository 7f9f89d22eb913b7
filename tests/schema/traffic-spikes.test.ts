import { expect, test } from "vitest";
import type { SecurityHour } from "../../schema/security-hours.ts";
import { spikesOf } from "../../schema/traffic-spikes.ts";

const HOUR = 3600;
const DAY = 86_400;
const LAST = 1_795_000_000 - (1_795_000_000 % HOUR);
const NOW = LAST + HOUR + 60;
const row = (hour: number, n: number): SecurityHour => ({
  hour,
  version: 1,
  types: { login_failed: n },
  countries: {},
  addresses: "",
});
const days = (n: number, usual: number) =>
  Array.from({ length: n }, (_, i) => row(LAST - (n - i) * DAY, usual));

test("four times the average of the same hour of earlier days, and fifty or more, is a spike", () => {
  expect(spikesOf([...days(7, 20), row(LAST, 80)], NOW, 6)).toMatchObject([
    { kind: "traffic_spike", key: "login_failed", facts: { count: 80, usual: 20, hour: LAST } },
  ]);
  expect(spikesOf([...days(7, 20), row(LAST, 79)], NOW, 6)).toEqual([]);
  expect(spikesOf([...days(7, 1), row(LAST, 49)], NOW, 6)).toEqual([]);
  expect(spikesOf([...days(7, 1), row(LAST, 50)], NOW, 6)).toHaveLength(1);
});

test("without an earlier day there is nothing to compare with; the hour that runs is not compared", () => {
  expect(spikesOf([row(LAST, 1000)], NOW, 6)).toEqual([]);
  expect(spikesOf([...days(3, 0), row(LAST + HOUR, 1000)], NOW, 6)).toEqual([]);
  expect(spikesOf([...days(3, 0), row(LAST - 6 * HOUR, 1000)], NOW, 6)).toEqual([]);
});

test("the same spike found twice is one alert", () => {
  const rows = [...days(2, 3), row(LAST, 500)];
  expect(spikesOf(rows, NOW, 6)).toMatchObject(spikesOf(rows, NOW + 600, 6).map(({ id }) => ({ id })));
});
