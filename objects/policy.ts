/** The numbers that an object decides by: the same settings as the edge's. */
import type { AlertWebhook } from "../schema/alert-webhook.ts";
import { type Config, type ConfigReading, readConfig } from "../schema/config.ts";

const readings = new WeakMap<Env, ConfigReading>();

/** Throws while the settings are wrong: then the edge asks nothing, and an alarm must wait. */
export function policyOf(env: Env): Config {
  const reading = readingOf(env);
  if (reading.kind === "wrong") throw new Error("the settings are wrong");
  return reading.config;
}

/** Where alerts go, or null; also while other settings are wrong, since people must hear of that. Throws while its own are. */
export function alertWebhookOf(env: Env): AlertWebhook | null {
  const reading = readingOf(env);
  if (reading.kind === "ok") return reading.config.alertWebhook;
  if (reading.problems.some(({ setting }) => setting.startsWith("ALERT_WEBHOOK_")))
    throw new Error("the settings of alerts are wrong");
  return reading.alertWebhook;
}

function readingOf(env: Env): ConfigReading {
  const reading = readings.get(env) ?? readConfig(env);
  readings.set(env, reading);
  return reading;
}
