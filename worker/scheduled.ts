/**
 * What the service does by the clock. Daily, at midnight: forgets old events, warns of signing keys
 * that end, clears ended blocks, renews encryption. Every six hours: compares the last hours with
 * those of earlier days. Every minute: looks at its own health, finishes deletions. A run that names
 * none of these does all of them. While settings are wrong it does what needs none of them, and
 * people hear that the service stands still.
 */
import { type AuditEvent, NO_CLIENT } from "../schema/audit-events.ts";
import { type Config, type ConfigReading, readConfig } from "../schema/config.ts";
import { type EndingKey, endingKeys } from "../schema/key-expiry.ts";
import { log } from "../schema/log.ts";
import { HOUR_SECONDS, hourOf } from "../schema/security-hours.ts";
import { type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import { COMPARED_DAYS, spikesOf } from "../schema/traffic-spikes.ts";
import { tellUntold } from "./admin-users.ts";
import { recordEvents } from "./audit.ts";
import { forgetOld, readHours } from "./audit-store.ts";
import { alertDesk } from "./authorities.ts";
import { purgeBlocks } from "./blocks.ts";
import { finishDeletions } from "./deletion.ts";
import { purgeDjangoLeftovers } from "./django-leftovers.ts";
import { newRequestId } from "./entropy.ts";
import { examine } from "./health.ts";
import { rotateSecrets } from "./mfa/rotation.ts";
import { tellUntoldEvents } from "./untold-events.ts";

/** As in `wrangler.toml`. */
const EVERY_MINUTE = "* * * * *";
const SIX_HOURLY = "0 */6 * * *";
const DAILY = "0 0 * * *";
const COMPARED_HOURS = 6;
/** What runs have missed is compared by the next that can, so many hours at most. */
const COMPARED_HOURS_MAX = 48;
/** A year of metrics, and a month to look back on it. */
const HOURS_KEPT_DAYS = 400;
/** A week of daily warnings before a key ends: a lost one is told again the next day. */
const KEY_NOTICE_SECONDS = 604_800;
const DAY_SECONDS = 86_400;

/** Runs at `controller.scheduledTime`, which is the only time it knows. Running twice writes nothing twice. */
export async function scheduled(controller: ScheduledController, env: Env): Promise<void> {
  const now = toNumericDate(controller.scheduledTime);
  const isFor = (cron: string) =>
    controller.cron === cron || ![EVERY_MINUTE, SIX_HOURLY, DAILY].includes(controller.cron);
  const settings = readConfig(env);
  if (settings.kind === "wrong") {
    const names = settings.problems.map(({ setting }) => setting);
    log(toIso(now), { level: "error", event: "settings_wrong", settings: names });
  }
  const config = settings.kind === "wrong" ? null : settings.config;
  // Each is tried, whatever becomes of the others; a throw marks the run as failed.
  const done = await Promise.allSettled([
    ...(isFor(EVERY_MINUTE) ? [tellHealth(env, settings, now)] : []),
    ...(isFor(EVERY_MINUTE) && config !== null
      ? [tellUntold(env, now), tellUntoldEvents(env, now), finishDeletions(env, now, newRequestId())]
      : []),
    ...(isFor(SIX_HOURLY) ? [compare(env, now)] : []),
    ...(isFor(DAILY) ? [purgeBlocks(env.DB, now), purgeDjangoLeftovers(env.DB, now)] : []),
    ...(isFor(DAILY) && config !== null
      ? [warnOfKeys(env, config, now), forget(env.DB, config, now), rotateSecrets(env.DB, config, now)]
      : []),
  ]);
  for (const one of done) if (one.status === "rejected") throw one.reason;
}

async function tellHealth(env: Env, settings: ConfigReading, now: NumericDate): Promise<void> {
  const { checks } = await examine(env, settings, now);
  const failing = Object.entries(checks).filter(([, { status }]) => status === "unhealthy");
  const parts = failing.map(([part]) => part);
  const wrong = settings.kind === "wrong" ? ["settings"] : [];
  await alertDesk(env).hearHealth({ failing: [...parts, ...wrong], at: now });
}

async function compare(env: Env, now: NumericDate): Promise<void> {
  const until = hourOf(now);
  const last = (await alertDesk(env).comparedUntil()) ?? until;
  const missed = (until - last) / HOUR_SECONDS;
  const hours = Math.min(Math.max(missed, COMPARED_HOURS), COMPARED_HOURS_MAX);
  const rows = await readHours(env.DB, until - hours * HOUR_SECONDS - COMPARED_DAYS * DAY_SECONDS, now);
  const spikes = spikesOf(rows, now, hours);
  for (const { id } of spikes) log(toIso(now), { level: "warn", event: "traffic_spike", reason: id });
  await alertDesk(env).hearComparison({ spikes, until });
}

async function warnOfKeys(env: Env, config: Config, now: NumericDate): Promise<void> {
  const ending = endingKeys(config.signingKeys, now, KEY_NOTICE_SECONDS);
  // The log first: it must be told also when D1 is down.
  for (const { kid, endsAt, hasSuccessor } of ending) {
    const reason = `the key ${kid} ends at ${toIso(endsAt)} and has ${hasSuccessor ? "a" : "no"} successor`;
    log(toIso(now), {
      level: hasSuccessor ? "info" : "warn",
      event: "signing_key_ending",
      settings: ["JWT_SIGNING_KEYS"],
      reason,
    });
  }
  await recordEvents(
    env,
    ending.map((key) => warning(key, now)),
  );
}

async function forget(db: D1Database, config: Config, now: NumericDate): Promise<void> {
  const until = now - config.auditRetentionDays * DAY_SECONDS;
  const isAll = await forgetOld(db, until, now - HOURS_KEPT_DAYS * DAY_SECONDS);
  if (!isAll) log(toIso(now), { level: "warn", event: "retention_behind" });
}

/** One a key and day (UTC), by its id and its moment, the day's first. */
function warning({ kid, algorithm, endsAt, hasSuccessor }: EndingKey, now: NumericDate): AuditEvent {
  const [day] = toIso(now).split("T");
  return {
    id: `${kid}.signing_key_ending.${day}`,
    at: now - (now % DAY_SECONDS),
    type: "signing_key_ending",
    userId: null,
    sid: null,
    reason: null,
    requestId: null,
    actor: "system",
    client: NO_CLIENT,
    details: { kid, algorithm, ends_at: endsAt, has_successor: hasSuccessor },
  };
}
