/** The daily warning before a signing key ends: one event a key and day, and a line in the log. */
import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { scheduled } from "../../worker/scheduled.ts";
import { type NewJwk, newSigningJwk } from "../../worker/tokens/new-key.ts";
import { trail } from "../support/audit.ts";
import { unique } from "../support/client.ts";
import { down } from "../support/faults.ts";

const DAY = 86_400;
/** 2030-01-01T06:00:00Z: far from the clock, which must not matter. */
const MORNING = Date.UTC(2030, 0, 1, 6) / 1000;

async function keyThatEnds(endsAt: number | null, createdAt = 1): Promise<NewJwk> {
  return { ...(await newSigningJwk("EdDSA", { createdAt, endsAt })), kid: unique("ending") };
}

/** Runs at that time with these settings in place of the others; answers what was logged, and what was thrown. */
async function run(at: number, overrides: Record<string, unknown>) {
  const lines: string[] = [];
  const spy = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)));
  const controller = createScheduledController({ scheduledTime: new Date(at * 1000), cron: "0 0 * * *" });
  const fault = await scheduled(controller, { ...env, ...overrides }).then(
    () => null,
    (error: unknown) => error,
  );
  spy.mockRestore();
  return { log: lines.map((line) => JSON.parse(line)), fault };
}
const withKeys = (...keys: NewJwk[]) => ({ JWT_SIGNING_KEYS: JSON.stringify({ keys }) });
const FINE = { log: [], fault: null };

const eventsOf = (key: NewJwk, count = 1) =>
  trail("type = 'signing_key_ending' AND id LIKE ?", [`${key.kid}.%`], count);

describe("a key that ends within seven days", () => {
  it("is told once a key and day, in the audit trail and in the log", async () => {
    const [key, other] = [await keyThatEnds(MORNING + 7 * DAY), await keyThatEnds(MORNING + 2 * DAY, 2)];
    const keys = withKeys(key, other);
    const { log, fault } = await run(MORNING, keys);
    expect(fault).toBeNull();
    await run(MORNING, keys);
    await run(MORNING + 18 * 3600 - 1, keys);
    expect(await eventsOf(key)).toMatchObject([
      {
        id: `${key.kid}.signing_key_ending.2030-01-01`,
        at: MORNING - 6 * 3600,
        type: "signing_key_ending",
        risk: "high",
        user_id: null,
        sid: null,
        reason: null,
        request_id: null,
        ip: null,
        country: null,
        user_agent: null,
        details: JSON.stringify({
          kid: key.kid,
          algorithm: "EdDSA",
          ends_at: MORNING + 7 * DAY,
          has_successor: false,
        }),
      },
    ]);
    expect(await eventsOf(other)).toHaveLength(1);
    expect(log).toHaveLength(2);
    expect(log).toContainEqual({
      at: "2030-01-01T06:00:00.000Z",
      level: "warn",
      event: "signing_key_ending",
      settings: ["JWT_SIGNING_KEYS"],
      reason: `the key ${key.kid} ends at 2030-01-08T06:00:00.000Z and has no successor`,
    });
    expect(JSON.stringify(log)).not.toContain(key.d);

    await run(MORNING + DAY, keys);
    expect((await eventsOf(key, 2)).map(({ id }) => String(id).split(".").at(-1))).toEqual([
      "2030-01-01",
      "2030-01-02",
    ]);
  });

  it("is told as one with a successor when a newer key outlives it, and not a day too early", async () => {
    const key = await keyThatEnds(MORNING + DAY);
    expect(await run(MORNING - 6 * DAY - 1, withKeys(key))).toEqual(FINE);
    expect(await eventsOf(key, 0)).toEqual([]);
    const { log } = await run(MORNING, withKeys(key, await keyThatEnds(null, 2)));
    expect(log).toMatchObject([{ level: "info", event: "signing_key_ending" }]);
    const [event] = await eventsOf(key);
    expect(JSON.parse(String(event?.details))).toMatchObject({ kid: key.kid, has_successor: true });
  });
});

it("with Queue and D1 down the log is told, and the run fails", async () => {
  const key = await keyThatEnds(MORNING + DAY);
  const { log, fault } = await run(MORNING, {
    ...withKeys(key),
    AUDIT_QUEUE: down<Queue>(),
    DB: down<D1Database>(),
  });
  expect(log).toMatchObject([{ level: "warn", event: "signing_key_ending" }]);
  expect(fault).toMatchObject({ message: "the network is down" });
});

it("wrong settings are named in the log, and what needs none of them is done", async () => {
  const { log, fault } = await run(MORNING, { JWT_SIGNING_KEYS: "{}" });
  expect(log).toMatchObject([{ level: "error", event: "settings_wrong", settings: ["JWT_SIGNING_KEYS"] }]);
  expect(fault).toBeNull();
});
