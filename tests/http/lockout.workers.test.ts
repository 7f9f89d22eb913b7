import {
  evictDurableObject,
  listDurableObjectIds,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { asOperator } from "../support/admin.ts";
import { notable } from "../support/audit.ts";
import { ask, PASSWORD, refresh, register, signIn, unique, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { lock, wrong } from "../support/lockout.ts";
import { confirmReset, objectOf, resetToken } from "../support/mail.ts";
import { askUnder } from "../support/settings.ts";

afterEach(stopClock);

const locked = {
  status: 429,
  body: { code: "account_locked", error: "Account temporarily locked" },
};

describe("lockout", () => {
  it("LCK-01: of a hundred concurrent guesses, the right one among them, five at most are hashed", async () => {
    const user = await register();
    for (const seat of [0, 50, 99]) {
      const guesses = Array.from({ length: 100 }, (_, i) =>
        signIn(user.username, i === seat ? PASSWORD : `guess ${i}`),
      );
      const answers = await Promise.all(guesses);
      const count = (status: number) => answers.filter((one) => one.status === status).length;
      expect(count(401), `the right one at place ${seat}`).toBeLessThanOrEqual(5);
      expect(count(200) + count(401) + count(429)).toBe(100);
      await ask(`/api/admin/users/${user.id}/unlock`, {
        method: "POST",
        headers: { Authorization: `Bearer ${env.ADMIN_TOKEN}` },
        address: uniqueAddress(),
      });
    }
  });

  const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  it(`LCK-01: of thirty parallel guesses at each of six accounts, five at most are hashed each (seed ${SEED})`, async () => {
    const users = await Promise.all(Array.from({ length: 6 }, () => register()));
    const seats = users.map((_, i) => (SEED >> (4 * i)) % 30);
    const rounds = await Promise.all(
      Array.from({ length: 30 }, (_, turn) =>
        Promise.all(
          users.map(({ username }, i) => signIn(username, turn === seats[i] ? PASSWORD : `guess ${turn}`)),
        ),
      ),
    );
    users.forEach((_, i) => {
      const statuses = rounds.map((answers) => answers[i]?.status);
      const count = (status: number) => statuses.filter((one) => one === status).length;
      expect(count(401), `account ${i}, the right one at place ${seats[i]}`).toBeLessThanOrEqual(5);
      expect(count(200)).toBeLessThanOrEqual(1);
      expect(count(200) + count(401) + count(429)).toBe(30);
    });
  });

  it("LCK-02, LCK-03: while locked the right password is refused alike; the lock ends to the second", async () => {
    const user = await register();
    passSeconds(0); // the clock stands still from here on
    await lock(user);
    const right = await signIn(user.username, PASSWORD);
    const another = await wrong(user.username);
    expect(right).toMatchObject(locked);
    expect({ ...right.body, request_id: "" }).toEqual({ ...another.body, request_id: "" });
    expect(right.headers.get("Retry-After")).toBe("1800");
    passSeconds(1799);
    expect(await signIn(user.username, PASSWORD)).toMatchObject(locked);
    passSeconds(1);
    expect((await signIn(user.username, PASSWORD)).status).toBe(200);
  });

  it("LCK-04, ENU-01: all spellings and aliases share the count; a name that nobody has locks the same", async () => {
    const user = await register("ﬁsh");
    passSeconds(0); // the clock stands still from here on
    const spellings = [user.username, user.username.normalize("NFKC"), user.email, user.email.toUpperCase()];
    for (const spelling of [...spellings, user.email]) expect((await wrong(spelling)).status).toBe(401);
    const known = await wrong(user.username);
    expect(known).toMatchObject(locked);

    const nobody = unique("Nobody-ﬁsh");
    for (const spelling of [nobody, nobody.normalize("NFKC"), nobody, nobody.normalize("NFKC"), nobody]) {
      expect((await wrong(spelling)).status).toBe(401);
    }
    const unknown = await wrong(nobody);
    expect({ ...unknown.body, request_id: "" }).toEqual({ ...known.body, request_id: "" });
    const names = [...known.headers.keys()].sort();
    expect([...unknown.headers.keys()].sort()).toEqual(names);
  });

  it.each(["off", "on"])(
    "LCK-04, ENU-01: a locked name answers to the same spellings, whether somebody has it or not (COMPAT_SIMPLEJWT %s)",
    async (COMPAT_SIMPLEJWT) => {
      const compatible = askUnder({ COMPAT_SIMPLEJWT });
      const codeOf = async (username: string) => {
        const body = { username, password: "not this one" };
        return (await compatible("/api/accounts/login", { body, address: uniqueAddress() })).body.code;
      };
      const matrixOf = async (name: string) => {
        for (let i = 0; i < 5; i += 1) expect(await codeOf(name)).toBe("invalid_credentials");
        const wide = name.replace("a", "ａ");
        const codes: string[] = [];
        for (const spelling of [name, name.toUpperCase(), wide, ` ${name}`, `${name} `, `${wide}\t`])
          codes.push(await codeOf(spelling));
        return codes;
      };
      const [known, missing] = [(await register("case")).username, unique("case")];
      expect(await matrixOf(missing)).toEqual(await matrixOf(known));
      const [email, nobodys] = [(await register()).email, `${unique("nobody")}@example.com`];
      expect(await matrixOf(nobodys)).toEqual(await matrixOf(email));
    },
  );

  it("LCK-05: existing sessions go on working while the account is locked", async () => {
    const user = await register();
    await lock(user);
    expect((await ask("/api/accounts/user", { token: user.access })).status).toBe(200);
    expect((await refresh(user.refresh, { address: user.address })).status).toBe(200);
  });

  it("LCK-07: a success clears the count", async () => {
    const user = await register();
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 4; i += 1) expect((await wrong(user.username)).status).toBe(401);
      expect((await signIn(user.username, PASSWORD)).status).toBe(200);
    }
  });

  it("LCK-08: counts survive the object's eviction", async () => {
    const user = await register();
    await lock(user);
    await evictDurableObject(objectOf(user));
    expect(await signIn(user.username, PASSWORD)).toMatchObject(locked);
  });

  it("LCK-09: an admin unlocks, and both are told to the audit trail", async () => {
    const user = await register();
    await lock(user);
    const unlock = (headers: Record<string, string>) =>
      ask(`/api/admin/users/${user.id}/unlock`, { method: "POST", headers, address: uniqueAddress() });
    expect((await unlock({ Authorization: `Bearer ${user.access}` })).status).toBe(403);
    expect((await unlock({ Authorization: `Bearer ${env.ADMIN_TOKEN}` })).status).toBe(200);
    expect((await signIn(user.username, PASSWORD)).status).toBe(200);
    await runDurableObjectAlarm(objectOf(user));
    const results = await notable(user.id, 3);
    expect(results.filter(({ type }) => type !== "admin_action_refused")).toMatchObject([
      { type: "account_locked", risk: "high" },
      { type: "account_unlocked", risk: "medium", actor: "operator" },
    ]);
  });

  it("a client that the account knows is not locked out by strangers, and is counted by itself", async () => {
    const user = await register();
    const known = await signIn(user.username, PASSWORD);
    const device = { "X-Device-Token": known.body.device_token };
    await lock(user);
    expect((await signIn(user.username, PASSWORD, device)).status).toBe(200);
    for (let i = 0; i < 5; i += 1) expect((await wrong(user.username, device)).status).toBe(401);
    expect(await signIn(user.username, PASSWORD, device)).toMatchObject(locked);
  });

  it("LCK-01: who has made himself many known clients gets the guesses of ten, then those of strangers", async () => {
    const user = await register();
    const devices: Record<string, string>[] = [];
    for (let i = 0; i < 14; i += 1)
      devices.push({ "X-Device-Token": (await signIn(user.username)).body.device_token });
    const answers: number[] = [];
    for (const device of devices) {
      for (let i = 0; i < 6; i += 1) answers.push((await wrong(user.username, device)).status);
    }
    expect(answers.filter((status) => status === 401)).toHaveLength(55);
    expect(await wrong(user.username), "the last were strangers").toMatchObject(locked);
    const [owners] = devices;
    await asOperator(`/api/admin/users/${user.id}/unlock`, { method: "POST" });
    expect((await signIn(user.username, PASSWORD, owners)).status).toBe(200);
  });

  it("a registration makes its client known, too", async () => {
    const username = unique("registered");
    const body = { username, password: PASSWORD, password2: PASSWORD };
    const answer = await ask("/api/accounts/register", { body, address: uniqueAddress() });
    await lock({ username });
    const device = { "X-Device-Token": answer.body.device_token };
    expect((await signIn(username, PASSWORD, device)).status).toBe(200);

    const cookies = { ...body, username: unique("registered"), transport: "cookie" };
    const inCookies = await ask("/api/accounts/register", { body: cookies, address: uniqueAddress() });
    expect(inCookies.text).not.toContain("device_token");
    expect(inCookies.headers.getSetCookie().join()).toContain("__Host-device=");
  });

  it("a device token is of its password: after a change or a reset only the client that changed it stays known", async () => {
    const user = await register();
    const devices: Record<string, string>[] = [];
    for (let i = 0; i < 10; i += 1)
      devices.push({ "X-Device-Token": (await signIn(user.username)).body.device_token });
    for (const device of devices) expect((await wrong(user.username, device)).status).toBe(401);

    const body = { current_password: PASSWORD, new_password: "another quiet harbour 28" };
    const changed = await ask("/api/accounts/password/change", {
      body,
      token: user.access,
      address: uniqueAddress(),
    });
    expect(changed.status).toBe(200);
    const owners = { "X-Device-Token": changed.body.device_token };
    for (const device of devices.slice(0, 4)) expect((await wrong(user.username, device)).status).toBe(401);
    expect((await wrong(user.username)).status).toBe(401);
    for (const device of [{}, ...devices.slice(0, 3)]) {
      expect(await wrong(user.username, device), "they were strangers").toMatchObject(locked);
    }
    expect((await wrong(user.username, owners)).status, "counted apart, for the ten are gone").toBe(401);
    expect((await signIn(user.username, body.new_password, owners)).status).toBe(200);

    expect((await confirmReset(await resetToken(user.email), "a third quiet harbour 29")).status).toBe(200);
    for (let i = 0; i < 5; i += 1) expect((await wrong(user.username, owners)).status).toBe(401);
    expect(await wrong(user.username)).toMatchObject(locked);
  });

  it("a device token is good for its own account alone, and no other token is one", async () => {
    const user = await register();
    const other = await register();
    const known = await signIn(other.username, PASSWORD);
    await lock(user);
    for (const token of [known.body.device_token, user.refresh, user.access, "nonsense"]) {
      expect(await signIn(user.username, PASSWORD, { "X-Device-Token": token })).toMatchObject(locked);
    }
    const read = await ask("/api/accounts/user", { token: known.body.device_token });
    expect(read.body.code, "and it opens nothing").toBe("invalid_access_token");
  });

  it("in cookies the device is one too, and outlives the session", async () => {
    const user = await register();
    const body = { username: user.username, password: PASSWORD, transport: "cookie" };
    const answer = await ask("/api/accounts/login", { body, address: uniqueAddress() });
    expect(answer.text).not.toContain("device_token");
    const line = answer.headers.getSetCookie().find((one) => one.startsWith("__Host-device=")) ?? "";
    expect(line).toMatch(/HttpOnly/);
    await lock(user);
    const Cookie = line.split(";")[0] ?? "";
    expect((await signIn(user.username, PASSWORD, { Cookie })).status).toBe(200);
  });

  it("NIST SP 800-63B: after a hundred consecutive failures time helps no more, only being unlocked", async () => {
    const user = await register();
    let failures = 0;
    for (let i = 0; i < 200 && failures < 100; i += 1) {
      const answer = await wrong(user.username);
      if (answer.status === 401) failures += 1;
      else passSeconds(Number(answer.headers.get("Retry-After")));
    }
    passSeconds(604_800);
    expect(await signIn(user.username, PASSWORD)).toMatchObject(locked);
    await ask(`/api/admin/users/${user.id}/unlock`, {
      method: "POST",
      headers: { Authorization: `Bearer ${env.ADMIN_TOKEN}` },
    });
    expect((await signIn(user.username, PASSWORD)).status).toBe(200);
  });

  it("RL-07: the object of a name that nobody has empties itself", async () => {
    const before = new Set((await listDurableObjectIds(env.USER_AUTHORITY)).map(String));
    await wrong(unique("nobody"));
    const [id] = (await listDurableObjectIds(env.USER_AUTHORITY)).filter((one) => !before.has(String(one)));
    if (id === undefined) throw new Error("no object was made");
    passSeconds(604_800 + 60);
    expect(await runDurableObjectAlarm(env.USER_AUTHORITY.get(id))).toBe(true);
    const tables = await runInDurableObject(env.USER_AUTHORITY.get(id), (_object, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'lockouts'").toArray(),
    );
    expect(tables).toEqual([]);
  });
});
