/** What the counted hours say: totals, rates and a series, for people and for programs. Pure. */
import { AddressSketch, SKETCH_ERROR } from "./address-sketch.ts";
import { EVENT_RISKS, type EventType, isEventType, RISK_LEVELS, type RiskLevel } from "./audit-events.ts";
import { AUTOMATIC_BLOCKS, HOUR_SECONDS, hourOf, type SecurityHour } from "./security-hours.ts";
import { type NumericDate, toIso } from "./time.ts";

const TOP_COUNTRIES = 10;

export type Counters = {
  login_attempts: number;
  login_succeeded: number;
  login_failed: number;
  registrations: number;
  refreshes: number;
  refreshes_denied: number;
  reuse_detected: number;
  lockouts: number;
  /** Of addresses: by an admin, and by what was seen. */
  blocks: number;
  limited_requests: number;
  suspicious: number;
};

export type Metrics = {
  from: string;
  to: string;
  totals: Counters;
  /** Successful logins of all that were tried; null if none was. */
  success_rate: number | null;
  unique_addresses: { estimate: number; standard_error: number };
  top_countries: { country: string; events: number }[];
  risk_levels: Record<RiskLevel, number>;
  event_types: Record<string, number>;
  series: ({ hour: string } & Counters)[];
};

/** The metrics of the hours from the first to the last, both whole and both part of it. */
export function metricsOf(hours: readonly SecurityHour[], from: NumericDate, to: NumericDate): Metrics {
  const types = sumOf(hours.map((hour) => hour.types));
  const totals = countersOf(types);
  const sketch = new AddressSketch();
  for (const { addresses } of hours) sketch.merge(addresses);
  const byHour = new Map(hours.map((hour) => [hour.hour, hour]));
  const series: Metrics["series"] = [];
  for (let hour = hourOf(from); hour <= to; hour += HOUR_SECONDS) {
    series.push({ hour: toIso(hour), ...countersOf(new Map(Object.entries(byHour.get(hour)?.types ?? {}))) });
  }
  return {
    from: toIso(hourOf(from)),
    to: toIso(hourOf(to) + HOUR_SECONDS),
    totals,
    success_rate: totals.login_attempts === 0 ? null : totals.login_succeeded / totals.login_attempts,
    unique_addresses: { estimate: sketch.estimate(), standard_error: SKETCH_ERROR },
    top_countries: [...sumOf(hours.map((hour) => hour.countries))]
      .map(([country, events]) => ({ country, events }))
      .sort((one, other) => other.events - one.events || one.country.localeCompare(other.country))
      .slice(0, TOP_COUNTRIES),
    risk_levels: risksOf(types),
    event_types: Object.fromEntries(withoutBlocks(types).sort(([one], [other]) => one.localeCompare(other))),
    series,
  };
}

/** The metrics as Markdown, which reads as plain text, too. */
export function reportOf(metrics: Metrics): string {
  const { totals, success_rate, unique_addresses, top_countries, risk_levels } = metrics;
  const rate = success_rate === null ? "no logins" : `${(success_rate * 100).toFixed(1)} %`;
  const error = `± ${(unique_addresses.standard_error * 100).toFixed(1)} %`;
  const rows = (pairs: [string, string | number][]) =>
    ["| what | number |", "|---|---|", ...pairs.map(([what, number]) => `| ${what} | ${number} |`)].join(
      "\n",
    );
  const words = (name: string) => name.replaceAll("_", " ");
  const counters = Object.entries(totals).map(([name, n]): [string, number] => [words(name), n]);
  const countries = top_countries.map(({ country, events }): [string, number] => [country, events]);
  const risks = RISK_LEVELS.toReversed().map((risk): [string, number] => [risk, risk_levels[risk]]);
  return [
    "# Security report",
    `${metrics.from} to ${metrics.to} (UTC)`,
    "## Totals",
    rows([
      ...counters,
      ["login success rate", rate],
      ["distinct addresses", `${unique_addresses.estimate} (${error})`],
    ]),
    "## Events by risk",
    rows(risks),
    "## Countries",
    countries.length === 0 ? "None known." : rows(countries),
    "",
  ].join("\n\n");
}

/** Counters of everything there ever was, in Prometheus' text format 0.0.4. */
export function prometheusOf(allTime: SecurityHour | null): string {
  const counts = new Map(Object.entries(allTime?.types ?? {}));
  const types = withoutBlocks(counts).map(([type]) => type);
  const lines = [...new Set([...Object.keys(EVENT_RISKS), ...types])].sort().map((type) => {
    const risk = isEventType(type) ? EVENT_RISKS[type] : "unknown";
    return `session_authority_events_total{type="${label(type)}",risk="${risk}"} ${counts.get(type) ?? 0}`;
  });
  return [
    "# HELP session_authority_events_total Security events since the beginning, by type.",
    "# TYPE session_authority_events_total counter",
    ...lines,
    "# HELP session_authority_blocks_total Blocks and bans of addresses, by an admin or by what was seen.",
    "# TYPE session_authority_blocks_total counter",
    `session_authority_blocks_total ${countersOf(counts).blocks}`,
    "",
  ].join("\n");
}

/** Prometheus' escapes of a label's value: backslash, quote and line feed. */
export function label(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function countersOf(types: ReadonlyMap<string, number>): Counters {
  const of = (...names: EventType[]) => names.reduce((sum, name) => sum + (types.get(name) ?? 0), 0);
  const risks = risksOf(types);
  return {
    login_attempts: of("login_succeeded", "login_failed"),
    login_succeeded: of("login_succeeded"),
    login_failed: of("login_failed"),
    registrations: of("user_registered"),
    refreshes: of("token_refreshed"),
    refreshes_denied: of("refresh_denied"),
    reuse_detected: of("token_reuse_detected"),
    lockouts: of("account_locked"),
    blocks: of("address_blocked") + (types.get(AUTOMATIC_BLOCKS) ?? 0),
    limited_requests: of("request_limited"),
    suspicious: risks.high + risks.critical,
  };
}

/** The counts of what is a type of event. */
function withoutBlocks(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].filter(([type]) => type !== AUTOMATIC_BLOCKS);
}

function risksOf(types: ReadonlyMap<string, number>): Record<RiskLevel, number> {
  const risks = { low: 0, medium: 0, high: 0, critical: 0 };
  for (const [type, count] of types) if (isEventType(type)) risks[EVENT_RISKS[type]] += count;
  return risks;
}

function sumOf(counts: readonly Record<string, number>[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const one of counts)
    for (const [key, n] of Object.entries(one)) sums.set(key, (sums.get(key) ?? 0) + n);
  return sums;
}
