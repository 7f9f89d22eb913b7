/** The numbers that an object decides by: the same settings as the edge's. */
import { type Config, readConfig } from "../schema/config.ts";

const policies = new WeakMap<Env, Config>();

/** Throws while the settings are wrong: then the edge asks nothing, and an alarm must wait. */
export function policyOf(env: Env): Config {
  const known = policies.get(env);
  if (known !== undefined) return known;
  const reading = readConfig(env);
  if (reading.kind === "wrong") throw new Error("the settings are wrong");
  policies.set(env, reading.config);
  return reading.config;
}
