/**
 * How much people are told at once. The first alerts of a kind go out as they come, each thing
 * (`key`) once; what comes after them within the window is gathered into one message at its end.
 * As long as it goes on, each window is twice as long as the one before: a flood of events is a
 * message a minute, then every two, at last one an hour, and every alert is in one of them. Pure.
 */

import type { Alert } from "../../schema/alerts.ts";
import { assert } from "../../schema/assert.ts";
import type { NumericDate } from "../../schema/time.ts";

const FIRST_WINDOW_SECONDS = 60;
const WINDOW_SECONDS_MAX = 3600;
/** Alerts of a kind that go out by themselves within a window. */
const AT_ONCE_MAX = 5;
const SAMPLES_MAX = 20;

export type Gathered = {
  count: number;
  firstAt: NumericDate;
  lastAt: NumericDate;
  samples: Alert["facts"][];
};
export type AlertWindow = {
  endsAt: NumericDate;
  seconds: number;
  keys: string[];
  gathered: Gathered | null;
};

/** `isBusy`: too much waits to be delivered already; then everything is gathered. */
export function decideRaise(
  window: AlertWindow | null,
  alert: Alert,
  now: NumericDate,
  isBusy: boolean,
): { window: AlertWindow; isSent: boolean } {
  const fresh = {
    endsAt: now + FIRST_WINDOW_SECONDS,
    seconds: FIRST_WINDOW_SECONDS,
    keys: [],
    gathered: null,
  };
  const isOver = window === null || (window.endsAt <= now && window.gathered === null);
  const current: AlertWindow = isOver ? fresh : window;
  const isNews = !current.keys.includes(alert.key) && current.keys.length < AT_ONCE_MAX;
  if (isNews && !isBusy) return { window: { ...current, keys: [...current.keys, alert.key] }, isSent: true };
  return { window: { ...current, gathered: withMore(current.gathered, alert) }, isSent: false };
}

/** What a window has gathered when it ends, and the window that follows; none if it was quiet. */
export function decideClose(
  window: AlertWindow,
  now: NumericDate,
): { window: AlertWindow | null; digest: Gathered | null } {
  if (now < window.endsAt) return { window, digest: null };
  if (window.gathered === null) return { window: null, digest: null };
  const seconds = Math.min(window.seconds * 2, WINDOW_SECONDS_MAX);
  assert(window.gathered.count > 0, "what is gathered is something");
  return { window: { ...window, endsAt: now + seconds, seconds, gathered: null }, digest: window.gathered };
}

function withMore(gathered: Gathered | null, { at, facts }: Alert): Gathered {
  if (gathered === null) return { count: 1, firstAt: at, lastAt: at, samples: [facts] };
  return {
    count: gathered.count + 1,
    firstAt: Math.min(gathered.firstAt, at),
    lastAt: Math.max(gathered.lastAt, at),
    samples: gathered.samples.length < SAMPLES_MAX ? [...gathered.samples, facts] : gathered.samples,
  };
}
