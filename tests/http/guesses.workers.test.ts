/** Every path that checks a password or a code goes through one gate (LCK-01, LCK-06, PWD-05). */
import { afterEach, describe, expect, it } from "vitest";
import { askAs } from "../support/admin.ts";
import { trail } from "../support/audit.ts";
import { type Answer, ask, PASSWORD, register, type SignedIn, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { hashesOf } from "../support/hashes.ts";
import { mfaTokenOf, PATH, registerProtected, secondStep } from "../support/mfa.ts";
import { codeOf, wrongCode } from "../support/totp.ts";

afterEach(stopClock);

const AT_ONCE = 40;
const NEW_PASSWORD = "another quiet harbour 28";
const LOCKED = { status: 429, body: { code: "account_locked", error: "Account temporarily locked" } };

/** A way to guess at one account: `right` is what would be accepted if nothing were locked. */
type Way = { guess: () => Promise<Answer>; right: () => Promise<Answer>; hashes: number };

const post = (user: SignedIn, path: string, body: unknown) => askAs(user, path, { body });
const remove = (user: SignedIn, path: string, body: unknown) => askAs(user, path, { method: "DELETE", body });

const WAYS: Record<string, () => Promise<Way>> = {
  "post /api/accounts/login": async () => {
    const { username } = await register();
    const login = (password: string) =>
      ask("/api/accounts/login", { body: { username, password }, address: uniqueAddress() });
    return { guess: () => login("wrong"), right: () => login(PASSWORD), hashes: 1 };
  },
  "post /api/accounts/login/mfa": async () => {
    const user = await registerProtected();
    const token = await mfaTokenOf(user);
    const guess = () => secondStep(token, wrongCode(user.secret));
    return { guess, right: () => secondStep(token, codeOf(user.secret)), hashes: 0 };
  },
  "post /api/accounts/password/change": async () => {
    const user = await register();
    const change = (current_password: string) =>
      post(user, "/api/accounts/password/change", { current_password, new_password: NEW_PASSWORD });
    return { guess: () => change("wrong"), right: () => change(PASSWORD), hashes: 1 };
  },
  "post /api/accounts/email/change": async () => {
    const user = await register();
    const change = (password: string) =>
      post(user, "/api/accounts/email/change", { email: `new-${user.email}`, password });
    return { guess: () => change("wrong"), right: () => change(PASSWORD), hashes: 1 };
  },
  "post /api/accounts/mfa/totp/activate": async () => {
    const user = await register();
    const { secret } = (await askAs(user, PATH, { method: "POST" })).body;
    const activate = (code: string) => post(user, `${PATH}/activate`, { code });
    return { guess: () => activate(wrongCode(secret)), right: () => activate(codeOf(secret)), hashes: 0 };
  },
  "delete /api/accounts/mfa/totp": async () => {
    const user = await registerProtected();
    const disable = (code: string) => remove(user, PATH, { password: PASSWORD, code });
    return {
      guess: () => disable(wrongCode(user.secret)),
      right: () => disable(codeOf(user.secret)),
      hashes: 1,
    };
  },
  "delete /api/accounts/user": async () => {
    const user = await registerProtected();
    const leave = (code: string) => remove(user, "/api/accounts/user", { password: PASSWORD, code });
    return { guess: () => leave(wrongCode(user.secret)), right: () => leave(codeOf(user.secret)), hashes: 1 };
  },
};

it("LCK-06: the ways that are tried here are all that there are", async () => {
  const { paths } = (await ask("/openapi.json")).body;
  const guessing = Object.entries<Record<string, { "x-rules": { guesses?: true } }>>(paths).flatMap(
    ([path, operations]) =>
      Object.entries(operations)
        .filter(([, operation]) => operation["x-rules"].guesses)
        .map(([method]) => `${method} ${path}`),
  );
  expect(guessing.sort()).toEqual(Object.keys(WAYS).sort());
});

describe("LCK-01, LCK-06: of forty guesses at once, five at most are looked at, and then the right one is refused", () => {
  it.each(Object.entries(WAYS))("%s", async (_name, prepare) => {
    passSeconds(0);
    passSeconds(30 - ((Date.now() / 1000) % 30) + 15); // the middle of a time step
    const way = await prepare();
    let answers: Answer[] = [];
    const hashes = await hashesOf(async () => {
      answers = await Promise.all(Array.from({ length: AT_ONCE }, way.guess));
    });
    const refused = answers.filter(({ status }) => status === 429);
    expect(AT_ONCE - refused.length).toBeGreaterThan(0);
    expect(AT_ONCE - refused.length).toBeLessThanOrEqual(5);
    expect(hashes).toBe((AT_ONCE - refused.length) * way.hashes);
    for (const answer of refused) expect(answer).toMatchObject(LOCKED);
    for (const { status } of answers) expect([400, 401, 429]).toContain(status);
    for (let looked = AT_ONCE - refused.length; looked < 5; looked += 1) await way.guess();
    expect(await way.right()).toMatchObject(LOCKED);
    expect(Number((await way.right()).headers.get("Retry-After"))).toBeGreaterThan(1700);
  });
});

describe("a wrong guess of a session is told, and why", () => {
  const failures = async ({ id }: SignedIn, count: number) => {
    const rows = await trail("user_id = ? AND type = 'reauthentication_failed'", [id], count);
    return rows.map(({ actor, sid, reason }) => ({ actor, sid, reason })).sort(byReason);
  };
  const byReason = (one: { reason: unknown }, other: { reason: unknown }) =>
    String(one.reason).localeCompare(String(other.reason));
  const by = (user: SignedIn, reason: string) => ({ actor: `user:${user.id}`, sid: user.sid, reason });

  it("a change of password and of e-mail, a first code, until it is locked", async () => {
    const user = await register();
    await askAs(user, PATH, { method: "POST" });
    const change = { current_password: "wrong", new_password: NEW_PASSWORD };
    await post(user, "/api/accounts/password/change", change);
    await post(user, "/api/accounts/email/change", { email: `new-${user.email}`, password: "wrong" });
    for (let i = 0; i < 3; i += 1) await post(user, `${PATH}/activate`, { code: "1" });
    expect(await post(user, "/api/accounts/password/change", change)).toMatchObject(LOCKED);
    const reasons = ["locked", "wrong_code", "wrong_code", "wrong_code", "wrong_password", "wrong_password"];
    expect(await failures(user, 6)).toEqual(reasons.map((reason) => by(user, reason)));
  });

  it("taking a factor off and leaving, which ask for both", async () => {
    const user = await registerProtected();
    for (const path of [PATH, "/api/accounts/user"]) {
      await remove(user, path, { password: "wrong", code: codeOf(user.secret) });
      await remove(user, path, { password: PASSWORD, code: wrongCode(user.secret) });
    }
    const reasons = ["wrong_code", "wrong_code", "wrong_password", "wrong_password"];
    expect(await failures(user, 4)).toEqual(reasons.map((reason) => by(user, reason)));
  });
});

it("a right password that is stopped at the second factor is told, and is no failure", async () => {
  const user = await registerProtected();
  await mfaTokenOf(user);
  const told = await trail("user_id = ? AND type = 'second_factor_asked'", [user.id], 1);
  expect(told).toMatchObject([{ risk: "low", actor: null, ip: expect.any(String) }]);
  expect(await trail("user_id = ? AND type = 'login_failed'", [user.id], 0)).toEqual([]);
});

it("LCK-07: with a second factor the password alone clears nothing, so a session gets no sixth code", async () => {
  const user = await registerProtected();
  const disable = () => remove(user, PATH, { password: PASSWORD, code: wrongCode(user.secret) });
  for (let i = 0; i < 4; i += 1) expect((await disable()).status).toBe(401);
  const body = { email: `new-${user.email}`, password: PASSWORD };
  expect((await post(user, "/api/accounts/email/change", body)).status).toBe(200);
  expect((await disable()).status).toBe(401);
  expect(await disable()).toMatchObject(LOCKED);
});
