/** What a command costs in rows written and alarms set: the larger part of the bill, and a promise of the docs. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { type EventType, NO_CLIENT } from "../../schema/audit-events.ts";
import { recordEvents } from "../../worker/audit.ts";
import { ask, login, refresh, register, type SignedIn, unique } from "../support/client.ts";
import { addressObject, askForReset, confirmReset, resetToken } from "../support/mail.ts";
import { askUnder, NO_ABUSE } from "../support/settings.ts";

type Cost = { rowsWritten: number; alarms: number };

/** Counts what the object behind `stub` writes while `act` runs. */
async function costOf(stub: DurableObjectStub, act: () => Promise<unknown>): Promise<Cost> {
  const cost: Cost = { rowsWritten: 0, alarms: 0 };
  const cursors: { rowsWritten: number }[] = [];
  await runInDurableObject(stub, (_object, { storage }) => {
    const { exec } = storage.sql;
    Object.defineProperty(storage.sql, "exec", {
      configurable: true,
      value: (...args: Parameters<typeof exec>) => {
        const cursor = exec.apply(storage.sql, args);
        cursors.push(cursor);
        return cursor;
      },
    });
    const { setAlarm } = storage;
    Object.defineProperty(storage, "setAlarm", {
      configurable: true,
      value: (...args: Parameters<typeof setAlarm>) => {
        cost.alarms += 1;
        return setAlarm.apply(storage, args);
      },
    });
  });
  await act();
  await runInDurableObject(stub, (_object, { storage }) => {
    cost.rowsWritten = cursors.reduce((sum, cursor) => sum + cursor.rowsWritten, 0);
    Reflect.deleteProperty(storage.sql, "exec");
    Reflect.deleteProperty(storage, "setAlarm");
  });
  return cost;
}

const userObject = (user: SignedIn) => env.USER_AUTHORITY.getByName(String(user.id));

it("a refresh writes one row of the user's object, and a repeated one none", async () => {
  const user = await register();
  const rotate = () => refresh(user.refresh, { address: user.address });
  expect(await costOf(userObject(user), rotate)).toEqual({ rowsWritten: 1, alarms: 0 });
  expect(await costOf(userObject(user), rotate)).toEqual({ rowsWritten: 0, alarms: 0 });
});

it("a further login writes three rows, of the attempt, the session and its success; reading writes none but the lease's, one in many requests", async () => {
  const user = await register();
  expect(await costOf(userObject(user), () => login(user))).toEqual({ rowsWritten: 3, alarms: 0 });
  const read = async (times: number) => {
    for (let i = 0; i < times; i += 1) {
      await ask("/api/accounts/user", { token: user.access, address: `198.51.100.${i}` });
    }
  };
  expect(await costOf(userObject(user), () => read(1))).toEqual({ rowsWritten: 1, alarms: 0 });
  expect(
    (await costOf(userObject(user), () => read(50))).rowsWritten,
    "one in ten or fewer",
  ).toBeLessThanOrEqual(5);
  const list = () => ask("/api/accounts/sessions", { token: user.access, address: user.address });
  expect(await costOf(userObject(user), list)).toEqual({ rowsWritten: 0, alarms: 0 });
});

it("forty requests at once on a cold lease ask the user's object and the guard a few times, not forty", async () => {
  const user = await register();
  const address = "198.51.100.40";
  const guard = env.IP_GUARD.getByName(address);
  const burst = async () => {
    const one = () => ask("/api/accounts/user", { token: user.access, address });
    const answers = await Promise.all(Array.from({ length: 40 }, one));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  };
  let ofGuard: Cost | null = null;
  const ofUser = await costOf(userObject(user), async () => {
    ofGuard = await costOf(guard, burst);
  });
  // Each call that brings something writes a row; the guard makes its table beside.
  expect(ofUser.rowsWritten).toBeLessThanOrEqual(5);
  expect(ofGuard).toMatchObject({ rowsWritten: expect.toSatisfy((rows: number) => rows <= 9) });
});

it("ending every session writes as many rows for one session as for thirty", async () => {
  const costs: Cost[] = [];
  for (const sessions of [1, 30]) {
    const user = await register();
    for (let i = 1; i < sessions; i += 1) {
      const body = { username: user.username, password: "a quiet harbour 27" };
      await ask("/api/accounts/login", { body, address: `198.18.${sessions}.${i}` });
    }
    const logout = () =>
      ask("/api/accounts/logout", { method: "POST", token: user.access, address: user.address });
    await runDurableObjectAlarm(userObject(user)); // the mail that a registration sends has gone
    costs.push(await costOf(userObject(user), logout));
  }
  expect(costs).toEqual([
    { rowsWritten: 3, alarms: 1 },
    { rowsWritten: 3, alarms: 1 },
  ]);
});

it("ending one session writes its row, its denial and its event", async () => {
  const user = await register();
  const other = await login(user);
  for (let i = 0; i < 2; i += 1)
    await ask("/api/accounts/user", { token: user.access, address: user.address });
  const end = () =>
    ask(`/api/accounts/sessions/${other.sid}`, {
      method: "DELETE",
      token: user.access,
      address: user.address,
    });
  await runDurableObjectAlarm(userObject(user)); // the mail that a registration sends has gone
  expect(await costOf(userObject(user), end)).toEqual({ rowsWritten: 3, alarms: 1 });
});

it("the guard writes one row for each limit that a request counts to, and nothing for a refused one", async () => {
  const user = await register();
  const guard = env.IP_GUARD.getByName(user.address);
  const attempt = () => {
    const body = { username: unique("nobody"), password: "x" };
    return askUnder(NO_ABUSE)("/api/accounts/login", { body, address: user.address });
  };
  await attempt();
  expect(await costOf(guard, attempt)).toEqual({ rowsWritten: 2, alarms: 0 });
  for (let i = 0; i < 8; i += 1) await attempt();
  expect((await attempt()).status).toBe(429);
  expect(await costOf(guard, attempt)).toEqual({ rowsWritten: 0, alarms: 0 });
});

it("a wrong guess writes one row more in the guard, of its failures; a right one after a wrong one takes it back", async () => {
  const user = await register();
  const guard = env.IP_GUARD.getByName(user.address);
  const wrong = () => {
    const body = { username: unique("nobody"), password: "x" };
    return ask("/api/accounts/login", { body, address: user.address });
  };
  await wrong();
  expect((await costOf(guard, wrong)).rowsWritten).toBe(3);
  expect((await costOf(guard, () => login(user))).rowsWritten, "watched, and nothing to take back").toBe(2);
});

it("asking for a reset writes as much for an address that somebody has as for one that nobody has", async () => {
  const user = await register();
  const costs: Cost[] = [];
  for (const email of [user.email, `${unique("nobody")}@example.com`]) {
    await askForReset(email);
    costs.push(await costOf(await addressObject(email), () => askForReset(email)));
    await askForReset(email);
    costs.push(await costOf(await addressObject(email), () => askForReset(email)));
  }
  const [first, limited] = [
    { rowsWritten: 3, alarms: 0 },
    { rowsWritten: 0, alarms: 0 },
  ];
  expect(costs).toEqual([first, limited, first, limited]);
});

it("a reset writes as many rows for one session as for ten", async () => {
  const costs: Cost[] = [];
  for (const sessions of [1, 10]) {
    const user = await register();
    for (let i = 1; i < sessions; i += 1) {
      const body = { username: user.username, password: "a quiet harbour 27" };
      await ask("/api/accounts/login", { body, address: `198.18.${100 + sessions}.${i}` });
    }
    const token = await resetToken(user.email);
    await runDurableObjectAlarm(userObject(user));
    costs.push(await costOf(userObject(user), () => confirmReset(token, "another quiet harbour 28")));
  }
  expect(costs).toEqual([
    { rowsWritten: 9, alarms: 2 },
    { rowsWritten: 9, alarms: 2 },
  ]);
});

it("a change of password writes its own rows, and two for each session that ends", async () => {
  const user = await register();
  await login(user);
  await runDurableObjectAlarm(userObject(user));
  const body = { current_password: "a quiet harbour 27", new_password: "another quiet harbour 28" };
  const change = () =>
    ask("/api/accounts/password/change", { body, token: user.access, address: user.address });
  expect(await costOf(userObject(user), change)).toEqual({ rowsWritten: 12, alarms: 2 });
});

/** What D1 writes for one event of this type, and for the counts of its hour and of all time. */
async function rowsOf(type: EventType): Promise<{ event: number; counts: number }> {
  const written: number[] = [];
  const batch = async (statements: D1PreparedStatement[]) => {
    const results = await env.DB.batch(statements);
    written.push(...results.map(({ meta }) => meta.rows_written));
    return results;
  };
  const DB = new Proxy(env.DB, {
    get: (db, name) => (name === "batch" ? batch : Reflect.get(db, name).bind(db)),
  });
  const about = { sid: null, reason: null, requestId: null, client: NO_CLIENT, details: {} };
  await recordEvents({ ...env, DB }, [
    { id: unique("cost"), at: 2_850_000_000, type, userId: 5_000_000, ...about },
  ]);
  const [, , counts = 0, event = 0] = written;
  return { event, counts };
}

it("a login or refresh writes three rows of the audit trail, another event of low risk four, a notable one five, and two for the counts", async () => {
  expect(await rowsOf("login_succeeded")).toEqual({ event: 3, counts: 2 });
  expect(await rowsOf("token_refreshed")).toEqual({ event: 3, counts: 2 });
  expect(await rowsOf("login_failed")).toEqual({ event: 4, counts: 2 });
  expect(await rowsOf("mfa_enabled")).toEqual({ event: 5, counts: 2 });
});
