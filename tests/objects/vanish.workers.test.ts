/** No object stays behind (RL-07, DUR-05): whatever is asked of one that nobody uses, it has no tables, or an alarm. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { WakeUp } from "../../objects/wake-up.ts";
import type { AbusePolicy } from "../../schema/abuse.ts";
import { asSessionId, asTokenId, asUserId } from "../../schema/ids.ts";
import type { SettleAttempt } from "../../schema/lockout.ts";
import type { OpenSession } from "../../schema/user-authority.ts";
import { unique, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";

afterEach(stopClock);

function known<T>(value: T | null): T {
  if (value === null) throw new Error("the test's own id is none");
  return value;
}

const origin = { client: { ip: "192.0.2.9", country: null, userAgent: null }, requestId: "test" };
const sid = known(asSessionId("A".repeat(22)));
const tokenId = known(asTokenId("B".repeat(22)));
const userId = known(asUserId(4_000_000_001));
const by = { sid, ep: 1, revokedBefore: 0 };
const NEVER = 4_000_000_000;
const user = { id: userId, username: "nobody", email: null, role: "user", isActive: true, version: 1 };
const attempt: SettleAttempt = {
  ticket: tokenId,
  track: "strangers",
  userId: null,
  outcome: "failure",
  ...origin,
};
const rule = { name: "user" as const, limit: 60, seconds: 60 };
const opening: OpenSession = {
  ...origin,
  user,
  sid,
  tokenId,
  clientKey: "k",
  deviceName: null,
  amr: ["pwd"],
  attempt: null,
  code: null,
  revokedBefore: 0,
};
const code = { enrolment: "e", step: 1, recovery: null, pass: null };
const news = {
  ...origin,
  revokedBefore: 0,
  sessions: "keep",
  by: null,
  reason: "user_inactive",
  note: null,
} as const;
const change = {
  ...news,
  id: tokenId,
  userId,
  version: 1,
  type: "password_reset",
  unlocks: false,
  mails: [],
} as const;

const policy: AbusePolicy = {
  rapid_login: null,
  password_spray: null,
  token_brute_force: null,
  isLockoutSooner: true,
};
const report = { ...origin, address: "192.0.2.9", policy } as const;

async function leftBy(stub: DurableObjectStub): Promise<{ hasTables: boolean; hasAlarm: boolean }> {
  return runInDurableObject(stub, async (_object, { storage }) => ({
    hasTables: storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = '_tables'").toArray().length > 0,
    hasAlarm: (await storage.getAlarm()) !== null,
  }));
}

type Authority = ReturnType<typeof env.USER_AUTHORITY.getByName>;
type Guard = ReturnType<typeof env.IP_GUARD.getByName>;

describe("a user's object that nobody uses", () => {
  it.each<[string, (object: Authority) => PromiseLike<unknown>]>([
    ["settleAttempt", (object) => object.settleAttempt(attempt)],
    ["unlock", (object) => object.unlock({ ...origin, userId, note: "operator" })],
    [
      "refresh",
      (object) =>
        object.refresh({
          ...origin,
          revokedBefore: 0,
          sid,
          presented: { tokenId, generation: 1 },
          successor: tokenId,
          clientKey: "k",
          inFlight: 1,
        }),
    ],
    [
      "revoke",
      (object) =>
        object.revoke({
          ...origin,
          revokedBefore: 0,
          by: null,
          scope: { kind: "all" },
          reason: "logout",
          note: null,
        }),
    ],
    ["confirm", (object) => object.confirm(by)],
    ["lease", (object) => object.lease({ by, rule, want: 1, settle: [] })],
    ["listSessions", (object) => object.listSessions({ by: null, revokedBefore: 0 })],
    ["timeline", (object) => object.timeline({ by: null, sid, revokedBefore: 0 })],
  ])("makes no tables: %s", async (_name, act) => {
    const object = env.USER_AUTHORITY.getByName(unique("vanish"));
    await act(object);
    expect(await leftBy(object)).toEqual({ hasTables: false, hasAlarm: false });
  });

  it.each<[string, (object: Authority) => PromiseLike<unknown>]>([
    ["reserveAttempt", (object) => object.reserveAttempt(attempt)],
    ["reserve", (object) => object.reserve({ rule, want: 1, settle: [] })],
    ["a reservation of nothing", (object) => object.reserve({ rule, want: 0, settle: [] })],
    [
      "a session for who is inactive",
      (object) => object.openSession({ ...opening, user: { ...user, isActive: false } }),
    ],
    [
      "what Django gave before the end of everything",
      (object) =>
        object.adopt({
          ...opening,
          revokedBefore: 100,
          credential: { kind: "token", name: tokenId, issuedAt: 1, expiresAt: NEVER },
        }),
    ],
    ["spendCode", (object) => object.spendCode({ use: code, attempt })],
    ["hearOfUser", (object) => object.hearOfUser({ ...news, user })],
    ["beginChange", (object) => object.beginChange({ ...change, mails: [] })],
    ["endChange", (object) => object.endChange({ ...origin, revokedBefore: 0, id: tokenId, user })],
    ["erase", (object) => object.erase({ ...origin, userId })],
  ])("is woken: %s", async (_name, act) => {
    const object = env.USER_AUTHORITY.getByName(unique("vanish"));
    await act(object);
    expect(await leftBy(object)).toEqual({ hasTables: true, hasAlarm: true });
  });

  it("DUR-05: a name that nobody has is forgotten a week after its last failure, also past the ceiling", async () => {
    const object = env.USER_AUTHORITY.getByName(unique("name:vanish"));
    let failures = 0;
    let last = await object.reserveAttempt(attempt);
    for (let i = 0; i < 300 && !(last.kind === "locked" && last.untilUnlocked); i += 1) {
      if (last.kind === "locked") passSeconds(last.retryAfterSeconds);
      else {
        await object.settleAttempt(attempt);
        failures += 1;
      }
      last = await object.reserveAttempt(attempt);
    }
    expect(failures).toBe(100);
    expect(last).toMatchObject({ kind: "locked", untilUnlocked: true });
    passSeconds(604_800 - 60);
    expect((await object.reserveAttempt(attempt)).kind).toBe("locked");
    passSeconds(120);
    expect(await runDurableObjectAlarm(object)).toBe(true);
    const tracks = await runInDurableObject(object, (_object, { storage }) =>
      storage.sql.exec("SELECT track FROM lockouts").toArray(),
    );
    expect(tracks, "what is left waits for its events to arrive").toEqual([]);
  });
});

describe("a guard that nobody uses", () => {
  it.each<[string, (guard: Guard) => PromiseLike<unknown>]>([
    ["lift", (guard) => guard.lift({ ...origin, address: "192.0.2.9", actor: "operator" })],
    ["the end of a guess", (guard) => guard.report({ ...report, kind: "ended", guess: "g", proven: "a" })],
    ["ping", (guard) => guard.ping()],
  ])("makes no tables: %s", async (_name, act) => {
    const guard = env.IP_GUARD.getByName(uniqueAddress());
    await act(guard);
    expect(await leftBy(guard)).toEqual({ hasTables: false, hasAlarm: false });
  });

  it.each<[string, (guard: Guard) => PromiseLike<unknown>]>([
    ["charge", (guard) => guard.charge([{ ...rule, name: "ip" }], null)],
    ["a charge of nothing", (guard) => guard.charge([], null)],
    ["reserve", (guard) => guard.reserve([{ rule, want: 1, settle: [] }], false)],
    ["a reservation of nothing", (guard) => guard.reserve([{ rule, want: 0, settle: [] }], true)],
    ["a bad token", (guard) => guard.report({ ...report, kind: "bad_token" })],
    [
      "impose",
      (guard) =>
        guard.impose({ ...origin, address: "192.0.2.9", seconds: 1, reason: "r", actor: "operator" }),
    ],
  ])("is woken: %s", async (_name, act) => {
    const guard = env.IP_GUARD.getByName(uniqueAddress());
    await act(guard);
    expect(await leftBy(guard)).toEqual({ hasTables: true, hasAlarm: true });
  });
});

describe("the alarm of an object that empties itself", () => {
  it("DUR-04: a user's object that was asked for something meanwhile is woken for what comes afterwards", async () => {
    const object = env.USER_AUTHORITY.getByName(unique("vanish"));
    await object.reserveAttempt(attempt);
    await object.settleAttempt({ ...attempt, outcome: "not_tried" });
    const alarm = await runInDurableObject(object, async (instance, { storage }) => {
      const delivering = instance.alarm();
      // An attempt that comes and goes while the alarm waits: its own alarm goes with everything.
      const meanwhile = [
        instance.reserveAttempt(attempt),
        instance.settleAttempt({ ...attempt, outcome: "not_tried" }),
      ];
      await Promise.all([delivering, ...meanwhile]);
      expect(await storage.getAlarm()).toBeNull();
      await instance.reserveAttempt(attempt);
      return storage.getAlarm();
    });
    expect(alarm).not.toBeNull();
  });

  it("DUR-04: so is a guard", async () => {
    const guard = env.IP_GUARD.getByName(uniqueAddress());
    await guard.reserve([{ rule, want: 0, settle: [] }], true);
    const alarm = await runInDurableObject(guard, async (instance, { storage }) => {
      const delivering = instance.alarm();
      const meanwhile = instance.reserve([{ rule, want: 0, settle: [] }], true);
      await Promise.all([delivering, meanwhile]);
      expect(await storage.getAlarm()).toBeNull();
      await instance.charge([{ ...rule, name: "ip" }], null);
      return storage.getAlarm();
    });
    expect(alarm).not.toBeNull();
  });

  it("what throws rolls its alarm back, and the next wish sets one", async () => {
    const object = env.USER_AUTHORITY.getByName(unique("vanish"));
    await runInDurableObject(object, async (_instance, { storage }) => {
      const wakeUp = new WakeUp(storage);
      const nowMs = 4_000_000_000_000;
      const failing = () =>
        wakeUp.transactionSync(() => {
          wakeUp.noLaterThan(nowMs + 5000, nowMs);
          throw new Error("an invariant");
        });
      expect(failing).toThrow("an invariant");
      expect(await storage.getAlarm()).toBeNull();
      wakeUp.noLaterThan(nowMs + 9000, nowMs);
      expect(await storage.getAlarm()).toBe(nowMs + 9000);
      await storage.deleteAll();
    });
  });
});
