/** What the service does once a day, by cron: it warns of signing keys that end, and finishes deletions. */
import { type AuditEvent, NO_CLIENT } from "../schema/audit-events.ts";
import { readConfig } from "../schema/config.ts";
import { type EndingKey, endingKeys } from "../schema/key-expiry.ts";
import { log } from "../schema/log.ts";
import { type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import { tellUntold } from "./admin-users.ts";
import { recordEvents } from "./audit.ts";
import { finishDeletions } from "./deletion.ts";
import { newRequestId } from "./entropy.ts";

/** As in `wrangler.toml`: tells users' objects what was changed in D1 and not told. */
const EVERY_MINUTE = "* * * * *";
/** A week of daily warnings before a key ends: a lost one is told again the next day. */
const KEY_NOTICE_SECONDS = 604_800;
const DAY_SECONDS = 86_400;

/** Runs at `controller.scheduledTime`, which is the only time it knows. Running twice writes nothing twice. */
export async function scheduled(controller: ScheduledController, env: Env): Promise<void> {
  const now = toNumericDate(controller.scheduledTime);
  if (controller.cron === EVERY_MINUTE) return tellUntold(env, now);
  const settings = readConfig(env);
  if (settings.kind === "wrong") {
    const names = settings.problems.map(({ setting }) => setting);
    log(toIso(now), { level: "error", event: "settings_wrong", settings: names });
    return;
  }
  const ending = endingKeys(settings.config.signingKeys, now, KEY_NOTICE_SECONDS);
  // The log first: it must be told also when D1 is down. A throw marks the run as failed.
  for (const { kid, endsAt } of ending) {
    const reason = `the key ${kid} ends at ${toIso(endsAt)} and has no successor`;
    log(toIso(now), { level: "warn", event: "signing_key_ending", settings: ["JWT_SIGNING_KEYS"], reason });
  }
  await recordEvents(
    env,
    ending.map((key) => warning(key, now)),
  );
  await finishDeletions(env, now, newRequestId());
}

/** One a key and day (UTC), by its id and its moment, the day's first. */
function warning({ kid, algorithm, endsAt }: EndingKey, now: NumericDate): AuditEvent {
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
    details: { kid, algorithm, ends_at: endsAt },
  };
}
