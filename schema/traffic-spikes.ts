/** Whether an hour was unlike the same hour of earlier days. Pure. */
import type { Alert } from "./alerts.ts";
import { HOUR_SECONDS, type SecurityHour } from "./security-hours.ts";
import type { NumericDate } from "./time.ts";

/** What is compared: what grows when somebody attacks. */
const COMPARED = ["login_failed", "account_locked", "refresh_denied", "request_limited", "user_registered"];
/** Fewer are no spike, however few there used to be. */
const COUNT_MIN = 50;
const FACTOR = 4;
export const COMPARED_DAYS = 7;
const DAY_SECONDS = 86_400;

/**
 * The hours among the last `hours` whole ones that had four times as many of something as the same
 * hour of the last seven days had on average. Without a day before, there is nothing to compare with.
 */
export function spikesOf(rows: readonly SecurityHour[], now: NumericDate, hours: number): Alert[] {
  const first = rows[0]?.hour;
  const byHour = new Map(rows.map((row) => [row.hour, row]));
  const countOf = (hour: NumericDate, type: string): number => {
    const types = new Map(Object.entries(byHour.get(hour)?.types ?? {}));
    return types.get(type) ?? 0;
  };
  const lastWhole = now - (now % HOUR_SECONDS) - HOUR_SECONDS;
  const alerts: Alert[] = [];
  for (let hour = lastWhole; hour > lastWhole - hours * HOUR_SECONDS; hour -= HOUR_SECONDS) {
    const before = Array.from({ length: COMPARED_DAYS }, (_, day) => hour - (day + 1) * DAY_SECONDS);
    const comparable = before.filter((one) => first !== undefined && one >= first);
    if (comparable.length === 0) continue;
    for (const type of COMPARED) {
      const count = countOf(hour, type);
      const usual = comparable.reduce((sum, one) => sum + countOf(one, type), 0) / comparable.length;
      if (count < COUNT_MIN || count < usual * FACTOR) continue;
      const facts = { type, hour, count, usual: Math.round(usual) };
      alerts.push({ id: `traffic_spike.${type}.${hour}`, kind: "traffic_spike", key: type, at: now, facts });
    }
  }
  return alerts;
}
