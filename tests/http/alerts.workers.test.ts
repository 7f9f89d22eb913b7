/** Every kind of alert, from what happens to the signed message that a receiver gets. */
import { createMessageBatch, createScheduledController, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AuditEvent, NO_CLIENT } from "../../schema/audit-events.ts";
import { recordEvents } from "../../worker/audit.ts";
import { queue } from "../../worker/queue.ts";
import { scheduled } from "../../worker/scheduled.ts";
import { newSigningJwk } from "../../worker/tokens/new-key.ts";
import { delivered, trail } from "../support/audit.ts";
import { ask, PASSWORD, register, unique } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { down, rebind } from "../support/faults.ts";
import { openReceiver } from "../support/receiver.ts";

const MINUTE = "* * * * *";
const SIX_HOURLY = "0 */6 * * *";
const DAILY = "0 0 * * *";
/** Users from here on are nobody's in other tests, which share the trail. */
const STRANGER = 5_000_000;

let receiver: Awaited<ReturnType<typeof openReceiver>>;
beforeEach(async () => {
  receiver = await openReceiver();
});
afterEach(async () => {
  stopClock();
  await receiver.close();
});

async function cron(which: string, at: number, overrides: Record<string, unknown> = {}): Promise<void> {
  const controller = createScheduledController({ scheduledTime: new Date(at * 1000), cron: which });
  await scheduled(controller, { ...env, ...overrides }).catch(() => undefined);
}

function eventOf(type: AuditEvent["type"], over: Partial<AuditEvent> = {}): AuditEvent {
  const about = { userId: null, sid: null, reason: null, requestId: null, client: NO_CLIENT, details: {} };
  return { id: unique("event"), at: 2_900_000_000, type, ...about, ...over };
}

/** Hands a message to the consumer that was tried so often before; true if it wants it again. */
async function consume(
  events: unknown,
  tries: number,
  overrides = {},
  name = "audit",
): Promise<number | null> {
  const message = { id: unique("message"), timestamp: Date.now(), attempts: tries, body: { events } };
  const batch = createMessageBatch(name, [message]);
  let delay: number | null = null;
  vi.spyOn(batch.messages[0] as Message, "retry").mockImplementation((options) => {
    delay = options?.delaySeconds ?? 0;
  });
  await queue(batch, { ...env, ...overrides });
  return delay;
}

describe("health", () => {
  const at = 2_900_000_000;
  const part = (name: string, binding: string) => ({ name, overrides: { [binding]: down() } });

  it.for([part("database", "DB"), part("kv", "REVOCATIONS"), part("objects", "IP_GUARD")])(
    "$name fails: told once, with its name; and once more when it has recovered",
    async ({ name, overrides }) => {
      await cron(MINUTE, at);
      expect(await receiver.hear()).toEqual([]);
      await cron(MINUTE, at + 60, overrides);
      await cron(MINUTE, at + 120, overrides);
      expect(await receiver.hear()).toMatchObject([
        {
          type: "alert.health_failing",
          timestamp: new Date((at + 60) * 1000).toISOString(),
          data: { parts: name },
        },
      ]);
      await cron(MINUTE, at + 180);
      await cron(MINUTE, at + 240);
      expect((await receiver.hear()).slice(1)).toMatchObject([
        { type: "alert.health_recovered", data: { parts: name } },
      ]);
    },
  );

  it("keys that cannot sign fail the part jwt", async () => {
    const key = await newSigningJwk("EdDSA", { createdAt: 1, endsAt: 2 });
    await cron(MINUTE, at, { JWT_SIGNING_KEYS: JSON.stringify({ keys: [key] }) });
    expect(await receiver.hear()).toMatchObject([{ type: "alert.health_failing", data: { parts: "jwt" } }]);
  });

  it("what was raised while the receiver was down is told when it is up, and only then forgotten", async () => {
    receiver.setUp(() => false);
    await cron(MINUTE, at, { DB: down() });
    expect(await receiver.hear()).toEqual([]);
    await cron(MINUTE, at + 60);
    receiver.setUp(() => true);
    passSeconds(30);
    expect((await receiver.hear()).map(({ type }) => type)).toEqual([
      "alert.health_failing",
      "alert.health_recovered",
    ]);
    passSeconds(7200);
    expect(await receiver.hear()).toHaveLength(2);
  });

  it("what the receiver refuses for ever holds up what follows from it, and nothing else", async () => {
    const failing = "alert.health_failing";
    receiver.setUp((type) => type !== failing);
    await cron(MINUTE, at, { DB: down() });
    await receiver.hear();
    await cron(MINUTE, at + 60);
    await consume([eventOf("mfa_disabled", { userId: STRANGER })], 1);
    passSeconds(30);
    expect((await receiver.hear()).map(({ type }) => type)).toEqual(["alert.security_event"]);
    receiver.setUp(() => true);
    passSeconds(600);
    expect((await receiver.hear()).map(({ type }) => type).slice(1)).toEqual([
      failing,
      "alert.health_recovered",
    ]);
  });

  it("a wrong setting, which stops the service, is told as a part that fails", async () => {
    const wrong = { LOGOUT_SCOPE: "bogus" };
    await receiver.configure(wrong);
    await cron(MINUTE, at, wrong);
    expect(await receiver.hear()).toMatchObject([
      { type: "alert.health_failing", data: { parts: "settings" } },
    ]);
    await receiver.configure({});
    await cron(MINUTE, at + 60);
    expect((await receiver.hear()).slice(1)).toMatchObject([
      { type: "alert.health_recovered", data: { parts: "settings" } },
    ]);
  });
});

describe("an audit trail that is stuck", () => {
  it("the consumer tells it when D1 has not taken a message for a minute, once an hour", async () => {
    const events = [eventOf("login_failed")];
    expect(await consume(events, 4, { DB: down() })).toBe(40);
    expect(await receiver.hear()).toEqual([]);
    expect(await consume(events, 5, { DB: down() })).toBe(80);
    expect(await consume(events, 6, { DB: down() })).toBe(160);
    expect(await receiver.hear()).toMatchObject([{ type: "alert.audit_stuck", data: { part: "database" } }]);
  });

  it("an object tells it when an event has waited for five minutes, and delivers it afterwards", async () => {
    const user = await register();
    const object = env.USER_AUTHORITY.getByName(String(user.id));
    await rebind(object, { AUDIT_QUEUE: down() });
    await ask("/api/accounts/logout", { method: "POST", token: user.access, address: user.address });
    await runDurableObjectAlarm(object);
    expect(await receiver.hear()).toEqual([]);
    passSeconds(301);
    await runDurableObjectAlarm(object);
    expect(await receiver.hear()).toMatchObject([{ type: "alert.audit_stuck", data: { part: "outbox" } }]);
    await rebind(object);
    stopClock();
    await delivered(object);
    expect(await trail("user_id = ? AND type = 'sessions_revoked'", [user.id], 1)).toHaveLength(1);
  });
});

describe("dead letters", () => {
  const DEAD = "session-authority-audit-dead";

  it("are stored when D1 is back, and nobody is alarmed", async () => {
    const event = eventOf("api_key_created");
    expect(await consume([event], 1, {}, DEAD)).toBeNull();
    expect(await trail("id = ?", [event.id], 1)).toHaveLength(1);
    expect(await receiver.hear()).toEqual([]);
  });

  it.for([
    ["D1 is still down", [eventOf("api_key_created")], { DB: down() }],
    ["no release has read them", [{ ...eventOf("login_failed"), type: "of_another_release" }], {}],
  ] as const)(
    "wait on and alarm people if %s; the last try of one says that it is lost",
    async ([, events, overrides]) => {
      const lines: string[] = [];
      const spy = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)));
      expect(await consume(events, 1, overrides, DEAD)).toBe(10_800);
      expect(await receiver.hear()).toMatchObject([
        { type: "alert.audit_stuck", data: { part: "dead letters" } },
      ]);
      expect(lines.join()).not.toContain("audit_message_lost");
      await consume(events, 101, overrides, DEAD);
      spy.mockRestore();
      expect(lines.join()).toContain('"event":"audit_message_lost"');
    },
  );
});

describe("events", () => {
  it("a high one is told, whichever way it goes into the trail; a medium one is not; a second delivery is none", async () => {
    const [high, alike, medium] = [
      eventOf("mfa_disabled", { userId: STRANGER }),
      eventOf("email_changed"),
      eventOf("mfa_enabled"),
    ];
    await recordEvents(env, [high, medium]);
    await consume([high, alike, medium], 1);
    const told = await receiver.hear();
    expect(told.map(({ type, data }) => [type, data.event_id])).toEqual([
      ["alert.security_event", high.id],
      ["alert.security_event", alike.id],
    ]);
    expect(told[0]?.data).toEqual({
      event_id: high.id,
      type: "mfa_disabled",
      risk: "high",
      user_id: STRANGER,
      reason: null,
      request_id: null,
    });
    expect(await trail("id IN (?, ?, ?)", [high.id, alike.id, medium.id], 3)).toHaveLength(3);
  });

  it("a flood is five messages and a digest that counts the others", async () => {
    await consume(
      Array.from({ length: 300 }, (_, i) => eventOf("password_spray", { userId: STRANGER + i })),
      1,
    );
    expect(await receiver.hear()).toHaveLength(5);
    passSeconds(61);
    const [digest] = (await receiver.hear()).slice(5);
    expect(digest).toMatchObject({ type: "alert.security_event.digest", data: { count: 295 } });
  });
});

it("a key that is about to end is told, and again the next day", async () => {
  const at = 1_900_022_400; // a midnight
  const key = {
    ...(await newSigningJwk("EdDSA", { createdAt: 1, endsAt: at + 3 * 86_400 })),
    kid: unique("ending"),
  };
  const keys = { JWT_SIGNING_KEYS: JSON.stringify({ keys: [key] }) };
  await cron(DAILY, at, keys);
  await cron(DAILY, at, keys);
  // The daily run also finishes what other tests have left, which is told as well.
  const ofKeys = async () => (await receiver.hear()).filter(({ type }) => type === "alert.key_ending");
  expect(await ofKeys()).toMatchObject([{ data: { type: "signing_key_ending" } }]);
  passSeconds(86_400);
  await cron(DAILY, at + 86_400, keys);
  expect(await ofKeys()).toHaveLength(2);
});

it("an hour unlike the same hour of earlier days is told, by the run of every six hours", async () => {
  const at = 2_950_000_000 - (2_950_000_000 % 21_600);
  for (let day = 7; day >= 1; day -= 1)
    await recordEvents(env, [eventOf("login_failed", { at: at - 1800 - day * 86_400 })]);
  await cron(SIX_HOURLY, at);
  expect(await receiver.hear()).toEqual([]);
  await recordEvents(env, [eventOf("login_failed", { at: at - 1800, count: 60 })]);
  await cron(SIX_HOURLY, at);
  await cron(SIX_HOURLY, at + 21_600 - 3600);
  expect(await receiver.hear()).toMatchObject([
    { type: "alert.traffic_spike", data: { type: "login_failed", count: 60, usual: 1 } },
  ]);
});

it("hours that a failed run has missed are compared by the next, two days of them at most", async () => {
  const at = 2_960_000_000 - (2_960_000_000 % 21_600);
  const spiky = async (hour: number) => {
    await recordEvents(env, [eventOf("user_registered", { at: hour - 86_400 })]);
    await recordEvents(env, [eventOf("user_registered", { at: hour, count: 60 })]);
    return { type: "alert.traffic_spike", data: { type: "user_registered", hour, count: 60 } };
  };
  await cron(SIX_HOURLY, at);
  const missed = await spiky(at + 3600);
  await cron(SIX_HOURLY, at + 6 * 3600, { DB: down() });
  await cron(SIX_HOURLY, at + 12 * 3600);
  expect(await receiver.hear()).toMatchObject([missed]);

  const [tooOld, last] = [at + 13 * 3600, at + 14 * 3600];
  await spiky(tooOld);
  const found = await spiky(last);
  passSeconds(7200); // past the window in which the same thing is gathered
  await cron(SIX_HOURLY, last + 48 * 3600);
  expect((await receiver.hear()).slice(1)).toMatchObject([found]);
});

it("LOG-04: a locked account alarms without its name, its address or what was typed", async () => {
  const user = await register();
  for (let i = 0; i < 5; i += 1) {
    await ask("/api/accounts/login", {
      body: { username: user.username, password: `${PASSWORD}${i}` },
      address: user.address,
    });
  }
  const object = env.USER_AUTHORITY.getByName(String(user.id));
  await runDurableObjectAlarm(object);
  await trail("user_id = ? AND type = 'account_locked'", [user.id], 1);
  const told = (await receiver.hear()).filter(({ data }) => data.user_id === user.id);
  expect(told).toMatchObject([{ type: "alert.security_event", data: { type: "account_locked" } }]);
  for (const secret of [user.username, user.address, PASSWORD])
    expect(JSON.stringify(told)).not.toContain(secret);
});
