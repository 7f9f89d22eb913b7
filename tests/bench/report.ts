/** What the bench prints: tables in plain text. Pure. */
import { type CallCount, callsOf } from "./calls.ts";
import { Findings, type Goal, isMet } from "./goals.ts";
import type { Machine } from "./machine.ts";
import type { Metric, Row } from "./measure.ts";
import type { Soak } from "./soak.ts";
import { median, type Spread } from "./statistics.ts";

const MISSING = "-";

/** Every figure is the middle of the rounds; ratios are round by round, then `middle (least–most)`. */
export function operationsTable(
  rows: readonly Row[],
  scenarios: readonly { name: string; floor?: string }[],
): string {
  const found = new Findings(rows);
  const head = [
    "operation",
    "at once",
    "p50 ms",
    "p95 ms",
    "req/s",
    "CPU ms",
    "requests",
    "× p50",
    "× req/s",
    "of",
  ];
  return table(
    head,
    rows.map(({ name, loops, readings }) => {
      const floor = scenarios.find((one) => one.name === name)?.floor ?? null;
      const middle = (metric: Metric | "p95"): number =>
        median(readings.flatMap((reading) => (reading[metric] === null ? [] : [reading[metric]])));
      const times = (metric: Metric): string =>
        floor === null ? "" : spread(found.ratio({ name, loops }, { name: floor, loops }, metric));
      return [
        name,
        String(loops),
        figure(middle("p50")),
        figure(middle("p95")),
        middle("perSecond").toFixed(0),
        figure(middle("cpuMs")),
        String(readings.reduce((sum, { requests }) => sum + requests, 0)),
        times("p50"),
        times("perSecond"),
        floor ?? "",
      ];
    }),
  );
}

export function goalsTable(goals: readonly Goal[]): string {
  return table(
    ["goal", "wanted", "found", ""],
    goals.map((goal) => {
      const wanted = "atMost" in goal ? `≤ ${figure(goal.atMost)}` : `≥ ${figure(goal.atLeast)}`;
      const verdict = { true: "met", false: "MISSED", null: "not measured" }[String(isMet(goal))] ?? "";
      return [goal.name, `${wanted} ${goal.unit}`, `${spread(goal.found)} ${goal.unit}`, verdict];
    }),
  );
}

export function callsTable(counts: readonly CallCount[]): string {
  return table(
    ["object calls, limits as configured", "requests", "calls", "a request", "which"],
    counts.map((count) => [
      count.name,
      String(count.requests),
      String(callsOf(count)),
      figure(callsOf(count) / count.requests),
      Object.entries(count.byMethod)
        .map(([method, calls]) => `${method} ${calls}`)
        .join(", "),
    ]),
  );
}

/** Memory as it was at the beginning, in the middle and at the end. */
export function soakLine({ visits, requests, memoryMib }: Omit<Soak, "goal">): string {
  const at = (share: number) => figure(memoryMib[Math.round(share * (memoryMib.length - 1))] ?? Number.NaN);
  return `${visits} visits, ${requests} requests; memory ${at(0)}, ${at(0.25)}, ${at(0.5)}, ${at(0.75)}, ${at(1)} MiB`;
}

/** Other work on the machine shows in the load: more of it than cores makes absolute figures worthless. */
export function machineLines(machine: Machine, loadAfter: number): string {
  const { date, cores, cpu, memoryGib, node, workerd, storage, load } = machine;
  return [
    `${date}, ${cores} cores (${cpu}), ${memoryGib} GiB, node ${node}, workerd ${workerd}, storage in ${storage}`,
    `load average ${figure(load)} before, ${figure(loadAfter)} after`,
  ].join("\n");
}

/** Columns as wide as their widest cell; first and last are flush left, the others right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? "";
        return column === 0 || column === widths.length - 1 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** Three digits or so, whatever the size. */
export function figure(value: number): string {
  if (Number.isNaN(value)) return MISSING;
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** `middle (least–most)`. */
export function spread(value: Spread | null): string {
  if (value === null) return MISSING;
  if (value.min === value.max) return figure(value.median);
  return `${figure(value.median)} (${figure(value.min)}–${figure(value.max)})`;
}
