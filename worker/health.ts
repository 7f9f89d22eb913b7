/** Whether each part that this service stands on answers, and how soon. */
import type { Config, ConfigReading } from "../schema/config.ts";
import { type NumericDate, toIso } from "../schema/time.ts";
import { ipGuard } from "./authorities.ts";
import { readClockMs } from "./context.ts";
import { signingKey } from "./tokens/keyring.ts";

const TIMEOUT_MS = 2000;
const TOKEN_SETTINGS = ["JWT_SIGNING_KEYS", "JWT_SECRET", "REFRESH_TOKEN_SECRET", "ISSUER", "AUDIENCE"];

type Status = "healthy" | "unhealthy";
type Check = { status: Status; latency_ms: number };
export type Health = {
  status: Status;
  checks: { database: Check; kv: Check; jwt: Check; objects: Check };
  /** Settings that are wrong, and stop the service whatever its parts answer. */
  settings?: string[];
  timestamp: string;
  version: string;
};

/** Asks every part at once. Writes nothing. */
export async function examine(env: Env, settings: ConfigReading, now: NumericDate): Promise<Health> {
  const [database, kv, jwt, objects] = await Promise.all([
    check(() => env.DB.prepare("SELECT 1").first()),
    check(() => env.REVOCATIONS.get("health")),
    check(() => checkKeys(settings, now)),
    check(() => ipGuard(env, "health").ping()),
  ]);
  const checks = { database, kv, jwt, objects };
  const isHealthy = settings.kind === "ok" && Object.values(checks).every((one) => one.status === "healthy");
  return {
    status: isHealthy ? "healthy" : "unhealthy",
    checks,
    ...(settings.kind === "wrong" ? { settings: settings.problems.map(({ setting }) => setting) } : {}),
    timestamp: toIso(now),
    version: env.VERSION.id,
  };
}

async function check(ask: () => PromiseLike<unknown>): Promise<Check> {
  const startMs = readClockMs();
  const late = scheduler.wait(TIMEOUT_MS).then(() => {
    throw new Error("no answer in time");
  });
  try {
    await Promise.race([ask(), late]);
    return { status: "healthy", latency_ms: readClockMs() - startMs };
  } catch {
    return { status: "unhealthy", latency_ms: readClockMs() - startMs };
  } finally {
    late.catch(() => undefined);
  }
}

/** Signs and verifies with the very keys that tokens use. */
async function checkKeys(settings: ConfigReading, now: number): Promise<void> {
  if (settings.kind === "wrong") {
    const isAbout = settings.problems.some(({ setting }) => TOKEN_SETTINGS.includes(setting));
    if (isAbout) throw new Error("the settings of tokens are wrong");
    return;
  }
  await signAndVerify(settings.config, now);
}

async function signAndVerify(config: Config, now: number): Promise<void> {
  const { key, verifyKey, algorithm } = await signingKey(config, now);
  const parameters = { EdDSA: "Ed25519", HS256: "HMAC", ES256: { name: "ECDSA", hash: "SHA-256" } }[
    algorithm
  ];
  const bytes = new TextEncoder().encode("health");
  const signature = await crypto.subtle.sign(parameters, key, bytes);
  if (!(await crypto.subtle.verify(parameters, verifyKey, signature, bytes)))
    throw new Error("the key pair differs");
}
