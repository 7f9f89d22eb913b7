import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { readConfig } from "../../schema/config.ts";
import { rotateSecrets } from "../../worker/mfa/rotation.ts";
import { askAs, registerAs } from "../support/admin.ts";
import { delivered, notable } from "../support/audit.ts";
import { ask, PASSWORD, register, type SignedIn, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { dumpDatabase, dumpObject, tablesOfDatabase } from "../support/dump.ts";
import { askWith, failing } from "../support/faults.ts";
import { handOver, mailed, objectOf } from "../support/mail.ts";
import { firstStep, mfaTokenOf, PATH, protect, registerProtected, secondStep } from "../support/mfa.ts";
import { codeOf, wrongCode } from "../support/totp.ts";

afterEach(stopClock);

function standStill(): void {
  passSeconds(0);
  passSeconds(30 - ((Date.now() / 1000) % 30) + 15);
}
const enrol = (user: SignedIn) => askAs(user, PATH, { method: "POST" });
const activate = (user: SignedIn, code: unknown) => askAs(user, `${PATH}/activate`, { body: { code } });
const disable = (user: SignedIn, body: unknown) => askAs(user, PATH, { method: "DELETE", body });
const isEnabled = async (user: SignedIn) =>
  (await askAs(user, "/api/accounts/user")).body.user.two_factor_enabled;

describe("enrolment", () => {
  it("answers a secret, which no login asks for before it is activated", async () => {
    standStill();
    const user = await register();
    const { status, body } = await enrol(user);
    expect(status).toBe(200);
    expect(body.secret).toMatch(/^[A-Z2-7]{32}$/);
    const url = new URL(body.otpauth_url);
    expect(url.searchParams.get("secret")).toBe(body.secret);
    expect(url.searchParams.get("issuer")).toBe("authority.test");
    expect(await isEnabled(user)).toBe(false);
    expect((await firstStep(user)).status).toBe(200);
  });

  it("is activated by a code, answers ten recovery codes once, and is told", async () => {
    standStill();
    const user = await register();
    const { secret } = (await enrol(user)).body;
    const { status, body } = await activate(user, codeOf(secret));
    expect(status).toBe(200);
    expect(new Set(body.recovery_codes).size).toBe(10);
    expect(await isEnabled(user)).toBe(true);
    expect((await firstStep(user)).body.code).toBe("mfa_required");
    await delivered(objectOf(user));
    expect(await notable(user.id, 1)).toMatchObject([
      { type: "mfa_enabled", risk: "medium", actor: `user:${user.id}`, sid: user.sid },
    ]);
    expect((await askAs(user, "/api/accounts/user")).status, "the session goes on").toBe(200);
  });

  it("enrolling again replaces the pending secret", async () => {
    standStill();
    const user = await register();
    const first = (await enrol(user)).body.secret;
    const second = (await enrol(user)).body.secret;
    expect(second).not.toBe(first);
    expect(await activate(user, codeOf(first))).toMatchObject({ status: 400, body: { code: "wrong_code" } });
    expect((await activate(user, codeOf(second))).status).toBe(200);
  });

  it("is refused while one is active; activating nothing, or twice, is refused too", async () => {
    standStill();
    const user = await register();
    const nothing = { status: 409, body: { code: "mfa_not_pending" } };
    const active = { status: 409, body: { code: "mfa_already_enabled" } };
    expect(await activate(user, "123456")).toMatchObject(nothing);
    const { secret } = (await enrol(user)).body;
    expect((await activate(user, codeOf(secret))).status).toBe(200);
    expect(await enrol(user)).toMatchObject(active);
    expect(await activate(user, codeOf(secret, 1))).toMatchObject(active);
  });

  it("of twenty activations at once, by two codes, one answers recovery codes, and those are the good ones", async () => {
    standStill();
    const user = await register();
    const { secret } = (await enrol(user)).body;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => activate(user, codeOf(secret, i % 2))),
    );
    const good = answers.filter(({ status }) => status === 200);
    expect(good).toHaveLength(1);
    const [recovery] = good[0]?.body.recovery_codes ?? [];
    passSeconds(61);
    expect((await secondStep(await mfaTokenOf(user), recovery)).status).toBe(200);
  });

  it("a login that read the user before the activation is told so, and opens no session by the password alone", async () => {
    standStill();
    const user = await register();
    const stale = await env.DB.prepare("SELECT version FROM users WHERE id = ?").bind(user.id).first();
    await protect(user);
    const known = await runInDurableObject(
      env.USER_AUTHORITY.getByName(String(user.id)),
      (_object, { storage }) => Number(storage.sql.exec("SELECT version FROM account").one().version),
    );
    expect(known).toBe(Number(stale?.version) + 1);
  });

  it("LCK-06: wrong codes count as wrong passwords do, and a right one clears nothing", async () => {
    standStill();
    const user = await register();
    const { secret } = (await enrol(user)).body;
    for (let i = 0; i < 4; i += 1) expect((await activate(user, wrongCode(secret))).status).toBe(400);
    expect((await activate(user, codeOf(secret))).status).toBe(200);
    const body = { username: user.username, password: "not this one" };
    expect((await ask("/api/accounts/login", { body, address: uniqueAddress() })).status).toBe(401);
    expect((await ask("/api/accounts/login", { body, address: uniqueAddress() })).status).toBe(429);
  });

  it.each([
    [{}, "missing_fields"],
    [{ code: "" }, "missing_fields"],
    [{ code: 123456 }, "invalid_request"],
  ])("%j is 400 %s", async (body, code) => {
    const user = await register();
    await enrol(user);
    const answer = await askAs(user, `${PATH}/activate`, { body });
    expect(answer).toMatchObject({ status: 400, body: { code } });
  });
});

describe("taking it off", () => {
  it("needs password and code, tells not which was wrong, and is told", async () => {
    standStill();
    const user = await registerProtected();
    const wrongs = [
      await disable(user, { password: "not this one", code: codeOf(user.secret) }),
      await disable(user, { password: PASSWORD, code: wrongCode(user.secret) }),
    ];
    for (const answer of wrongs) {
      expect(answer).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
    }
    expect(await isEnabled(user)).toBe(true);
    expect((await disable(user, { password: PASSWORD, code: codeOf(user.secret) })).status).toBe(204);
    expect(await isEnabled(user)).toBe(false);
    expect((await firstStep(user)).status).toBe(200);
    await delivered(objectOf(user));
    const [told] = (await notable(user.id, 2)).filter(({ type }) => type === "mfa_disabled");
    expect(told).toMatchObject({ risk: "high", actor: `user:${user.id}`, sid: user.sid });
    expect(told?.details).toBe('{"by":"totp"}');
  });

  it("takes a recovery code too, for whoever has lost the authenticator; then the others are dead", async () => {
    standStill();
    const user = await registerProtected();
    expect((await disable(user, { password: PASSWORD, code: user.recovery[3] })).status).toBe(204);
    const again = await protect(user);
    expect((await secondStep(await mfaTokenOf(user), user.recovery[4])).body.code).toBe("invalid_mfa_code");
    expect((await secondStep(await mfaTokenOf(user), again.recovery[4])).status).toBe(200);
  });

  it("of ten at once with one code, one takes it off", async () => {
    standStill();
    const user = await registerProtected();
    const body = { password: PASSWORD, code: codeOf(user.secret) };
    const answers = await Promise.all(Array.from({ length: 10 }, () => disable(user, body)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
  });

  it("is refused where none is active, also while one is pending", async () => {
    const user = await register();
    const body = { password: PASSWORD, code: "123456" };
    const nothing = { status: 409, body: { code: "mfa_not_enabled" } };
    expect(await disable(user, body)).toMatchObject(nothing);
    await enrol(user);
    expect(await disable(user, body)).toMatchObject(nothing);
    expect(await disable(user, { password: PASSWORD })).toMatchObject({ status: 400 });
    expect(await disable(user, { ...body, code: 123456 })).toMatchObject({ status: 400 });
  });
});

describe("the owner is told by mail", () => {
  const ADDED = /^A second factor was added/;
  const REMOVED = /^The second factor of your account was removed/;

  it("when a factor is activated and when it is taken off", async () => {
    standStill();
    const user = await registerProtected();
    await handOver(objectOf(user));
    expect(await mailed(user.email, ADDED)).toHaveLength(1);
    expect((await disable(user, { password: PASSWORD, code: codeOf(user.secret) })).status).toBe(204);
    await handOver(objectOf(user));
    expect(await mailed(user.email, REMOVED)).toHaveLength(1);
  });

  it("DUR-03: also if the object falls silent once D1 has made the change; the recovery codes are answered all the same", async () => {
    standStill();
    const user = await register();
    const { secret } = (await enrol(user)).body;
    const send = (path: string, method: string, body: object) =>
      askWith({ USER_AUTHORITY: failing("endChange") }, path, {
        method,
        body: JSON.stringify(body),
        headers: { Authorization: `Bearer ${user.access}`, "CF-Connecting-IP": uniqueAddress() },
      });
    const look = async () => {
      passSeconds(61);
      await handOver(objectOf(user)); // it looks whether D1 has made the change, and then has a mail
      await handOver(objectOf(user));
    };
    const { status, body } = await send(`${PATH}/activate`, "POST", { code: codeOf(secret) });
    expect(status).toBe(200);
    expect(body.recovery_codes).toHaveLength(10);
    await look();
    expect(await mailed(user.email, ADDED)).toHaveLength(1);
    const removal = { password: PASSWORD, code: codeOf(secret) };
    expect((await send(PATH, "DELETE", removal)).status).toBe(204);
    await look();
    expect(await mailed(user.email, REMOVED)).toHaveLength(1);
    await delivered(objectOf(user));
    const types = (await notable(user.id, 2)).map(({ type }) => type).sort();
    expect(types).toEqual(["mfa_disabled", "mfa_enabled"]);
  });

  it("DUR-03: with the object down before D1 is asked, nothing is changed and nobody is told", async () => {
    standStill();
    const user = await register();
    const { secret } = (await enrol(user)).body;
    const answer = await askWith({ USER_AUTHORITY: failing("beginChange") }, `${PATH}/activate`, {
      method: "POST",
      body: JSON.stringify({ code: codeOf(secret) }),
      headers: { Authorization: `Bearer ${user.access}`, "CF-Connecting-IP": uniqueAddress() },
    });
    expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(await isEnabled(user)).toBe(false);
    expect((await activate(user, codeOf(secret, 1))).status, "and the next code activates it").toBe(200);
  });
});

describe("REQUIRE_MFA_FOR_ADMIN", () => {
  const list = (token: string, value: string) =>
    askWith({ REQUIRE_MFA_FOR_ADMIN: value }, "/api/admin/users", {
      headers: { Authorization: `Bearer ${token}`, "CF-Connecting-IP": uniqueAddress() },
    });

  it("on: an admin needs a session that began with a second factor; the operator needs none", async () => {
    standStill();
    const admin = await registerAs("admin");
    expect((await list(admin.access, "off")).status).toBe(200);
    const refused = { status: 403, body: { code: "second_factor_required" } };
    expect(await list(admin.access, "on")).toMatchObject(refused);
    const { secret } = await protect(admin);
    expect(await list(admin.access, "on"), "enrolled, but signed in before").toMatchObject(refused);
    const { body } = await secondStep(await mfaTokenOf(admin), codeOf(secret));
    expect((await list(body.access_token, "on")).status).toBe(200);
    expect((await list(env.ADMIN_TOKEN, "on")).status).toBe(200);
  });

  it("on: also where an admin looks at somebody else's session on a route that is not an admin's", async () => {
    const [admin, user] = [await registerAs("admin"), await register()];
    const look = (value: string) =>
      askWith(
        { REQUIRE_MFA_FOR_ADMIN: value },
        `/api/accounts/sessions/${user.sid}/timeline?user_id=${user.id}`,
        { headers: { Authorization: `Bearer ${admin.access}`, "CF-Connecting-IP": uniqueAddress() } },
      );
    expect((await look("off")).status).toBe(200);
    expect(await look("on")).toMatchObject({ status: 403, body: { code: "second_factor_required" } });
  });

  it("on: who is no admin is told just that", async () => {
    const user = await register();
    expect(await list(user.access, "on")).toMatchObject({ status: 403, body: { code: "permission_denied" } });
  });
});

describe("LOG-05: secrets", () => {
  it("neither the secret nor a recovery code is in any table, any object or the log", async () => {
    standStill();
    const lines: string[] = [];
    const spy = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(String(line)));
    const user = await registerProtected();
    const token = await mfaTokenOf(user);
    await secondStep(token, codeOf(user.secret));
    await secondStep(await mfaTokenOf(user), user.recovery[0]);
    spy.mockRestore();

    const [inDatabase, inObject] = [await dumpDatabase(), await dumpObject(objectOf(user))];
    expect(await tablesOfDatabase()).toContain("totp");
    expect(inObject).toContain('["used_codes",[{');
    const all = [inDatabase, inObject, ...lines].join("\n");
    expect(lines.length).toBeGreaterThan(3);
    for (const clear of [user.secret, token, ...user.recovery]) {
      expect(all.toLowerCase()).not.toContain(clear.toLowerCase());
      expect(all.toLowerCase()).not.toContain(clear.replaceAll("-", "").toLowerCase());
    }
  });

  it("a ciphertext in another user's row is of no use there", async () => {
    standStill();
    const thief = await registerProtected();
    const victim = await registerProtected();
    await env.DB.prepare(
      `UPDATE totp SET (secret, key_id, enrolment) =
         (SELECT secret, key_id, enrolment FROM totp WHERE user_id = ?) WHERE user_id = ?`,
    )
      .bind(thief.id, victim.id)
      .run();
    const answer = await secondStep(await mfaTokenOf(victim), codeOf(thief.secret));
    expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
  });

  it("rotation: a new key in front encrypts anew, old secrets go on, and then the old key can go", async () => {
    standStill();
    const user = await registerProtected();
    const added = "a new key for what is kept 0123456789";
    const both = { DATA_ENCRYPTION_KEY: `${added},${env.DATA_ENCRYPTION_KEY}` };
    const login = async (settings: Record<string, string>, steps: number) => {
      const body = JSON.stringify({ mfa_token: await mfaTokenOf(user), code: codeOf(user.secret, steps) });
      const headers = { "CF-Connecting-IP": uniqueAddress() };
      return askWith(settings, "/api/accounts/login/mfa", { method: "POST", body, headers });
    };
    const secretOf = () =>
      env.DB.prepare("SELECT key_id, secret FROM totp WHERE user_id = ?").bind(user.id).first();
    const before = await secretOf();
    expect((await login(both, 0)).status).toBe(200);
    const configOf = (overrides: object) => {
      const reading = readConfig({ ...env, ...overrides });
      if (reading.kind === "wrong") throw new Error("wrong settings");
      return reading.config;
    };
    await rotateSecrets(env.DB, configOf(both), Math.floor(Date.now() / 1000));
    const after = await secretOf();
    expect(after?.key_id).not.toBe(before?.key_id);
    expect(after?.secret).not.toBe(before?.secret);
    expect((await login({ DATA_ENCRYPTION_KEY: added }, 1)).status).toBe(200);

    const back = { DATA_ENCRYPTION_KEY: `${env.DATA_ENCRYPTION_KEY},${added}` };
    await rotateSecrets(env.DB, configOf(back), Math.floor(Date.now() / 1000));
    expect((await secretOf())?.key_id).toBe(before?.key_id);
  });
});
