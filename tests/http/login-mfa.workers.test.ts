import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { decodeJwt } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { askAs } from "../support/admin.ts";
import { delivered, notable } from "../support/audit.ts";
import { type Answer, ask, PASSWORD, refresh, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith } from "../support/faults.ts";
import {
  firstStep,
  mfaTokenOf,
  PATH,
  type Protected,
  registerProtected,
  secondStep,
} from "../support/mfa.ts";
import { codeOf, wrongCode } from "../support/totp.ts";

afterEach(stopClock);

const LOCKED = { status: 429, body: { code: "account_locked", error: "Account temporarily locked" } };
const WRONG = { status: 401, body: { code: "invalid_mfa_code" } };
const NO_TOKEN = { status: 401, body: { code: "invalid_mfa_token" } };

/** A clock that stands in the middle of a time step, so that no test straddles two. */
function standStill(): void {
  passSeconds(0);
  passSeconds(30 - ((Date.now() / 1000) % 30) + 15);
}

async function protectedUser(): Promise<Protected> {
  standStill();
  return registerProtected();
}

const objectOf = ({ id }: Protected) => env.USER_AUTHORITY.getByName(String(id));
const sessionsOf = (user: Protected): Promise<number> =>
  runInDurableObject(objectOf(user), (_object, { storage }) =>
    Number(storage.sql.exec("SELECT count(*) AS n FROM families").one().n),
  );
const count = (answers: Answer[], status: number) => answers.filter((one) => one.status === status).length;

describe("a login with a second factor", () => {
  it("asks for a code after the right password, and opens the session by it", async () => {
    const user = await protectedUser();
    const first = await firstStep(user);
    expect(first).toMatchObject({
      status: 401,
      body: { code: "mfa_required", mfa_token: expect.any(String), request_id: expect.any(String) },
    });
    expect(first.text).not.toMatch(/access_token|refresh_token"/);
    const second = await secondStep(first.body.mfa_token, codeOf(user.secret));
    expect(second).toMatchObject({
      status: 200,
      body: {
        message: "Login successful",
        token_type: "Bearer",
        device_token: expect.any(String),
        user: { id: user.id },
      },
    });
    const read = await ask("/api/accounts/user", { token: second.body.access_token });
    expect(read.body.user.two_factor_enabled).toBe(true);
  });

  it("RFC 8176: amr says pwd, otp, mfa; auth_time is the second step's; a refresh keeps both", async () => {
    const user = await protectedUser();
    const token = await mfaTokenOf(user);
    passSeconds(30);
    const { body } = await secondStep(token, codeOf(user.secret));
    const claims = decodeJwt(body.access_token);
    expect(claims).toMatchObject({ amr: ["pwd", "otp", "mfa"], auth_time: Math.floor(Date.now() / 1000) });
    passSeconds(100);
    const next = decodeJwt((await refresh(body.refresh_token)).body.access_token);
    expect(next).toMatchObject({ amr: claims.amr, auth_time: claims.auth_time });
    const list = await ask("/api/accounts/sessions", { token: body.access_token });
    expect(list.body.sessions[0].amr).toEqual(["pwd", "otp", "mfa"]);
  });

  it("RFC 8176: a recovery code is no one-time password of that registry: pwd, mfa; it is told, and good once", async () => {
    const user = await protectedUser();
    const [recovery = ""] = user.recovery;
    const typed = recovery.toLowerCase().replaceAll("-", " ");
    const { status, body } = await secondStep(await mfaTokenOf(user), typed);
    expect(status).toBe(200);
    expect(decodeJwt(body.access_token).amr).toEqual(["pwd", "mfa"]);
    expect(await secondStep(await mfaTokenOf(user), recovery)).toMatchObject(WRONG);
    await delivered(objectOf(user)); // from now on it is no code of D1's either
    expect(await secondStep(await mfaTokenOf(user), recovery)).toMatchObject(WRONG);
    await delivered(objectOf(user));
    const types = (await notable(user.id, 3)).map(({ type, risk }) => `${type} ${risk}`);
    expect(types).toEqual(
      expect.arrayContaining(["mfa_enabled medium", "recovery_code_used medium", "mfa_failed medium"]),
    );
  });

  it("contract §7: cookies and device_name carry over from the first step, and the second may say otherwise", async () => {
    const user = await protectedUser();
    const wishes = { transport: "cookie", device_name: "Kitchen" };
    const answer = await secondStep(await mfaTokenOf(user, wishes), codeOf(user.secret));
    expect(answer.status).toBe(200);
    expect(answer.text).not.toMatch(/eyJ/);
    const names = answer.headers.getSetCookie().map((line) => line.split("=")[0]);
    expect(names).toEqual(["__Host-access_token", "__Secure-refresh_token", "__Host-device"]);
    const other = { transport: "bearer", device_name: "Study" };
    const bearer = await secondStep(await mfaTokenOf(user, wishes), codeOf(user.secret, 1), other);
    expect(bearer.headers.getSetCookie()).toEqual([]);
    const list = await ask("/api/accounts/sessions", { token: bearer.body.access_token });
    const devices = list.body.sessions.map(({ device }: { device: string | null }) => device);
    expect(devices).toEqual(expect.arrayContaining(["Kitchen", "Study"]));
  });

  it("is asked by every spelling of the name, and a wrong password is answered as ever", async () => {
    const user = await protectedUser();
    expect((await firstStep({ username: user.email })).body.code).toBe("mfa_required");
    expect(await firstStep(user, { password: "not this one" })).toMatchObject({
      status: 401,
      body: { code: "invalid_credentials", error: "Invalid credentials" },
    });
  });
});

describe("good once", () => {
  it("RFC 6238 §5.2: of fifty presentations of one code at once, over many tokens, one opens a session", async () => {
    const user = await protectedUser();
    const tokens: string[] = [];
    for (let i = 0; i < 10; i += 1) tokens.push(await mfaTokenOf(user));
    const code = codeOf(user.secret);
    const before = await sessionsOf(user);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => secondStep(tokens[i % tokens.length] ?? "", code)),
    );
    expect(count(answers, 200)).toBe(1);
    expect(count(answers, 401) + count(answers, 429)).toBe(49);
    expect(await sessionsOf(user)).toBe(before + 1);
    const next = await secondStep(await mfaTokenOf(user), codeOf(user.secret, 1));
    expect(next.status, "a code used before is no guess, so nothing is locked").toBe(200);
  });

  it("of fifty presentations of one recovery code at once, one opens a session", async () => {
    const user = await protectedUser();
    const tokens = await Promise.all([1, 2, 3, 4].map(() => mfaTokenOf(user)));
    const [code = ""] = user.recovery;
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => secondStep(tokens[i % tokens.length] ?? "", code)),
    );
    expect(count(answers, 200)).toBe(1);
  });

  it("a used step, and any before it, is refused with a new token too", async () => {
    const user = await protectedUser();
    expect((await secondStep(await mfaTokenOf(user), codeOf(user.secret))).status).toBe(200);
    expect(await secondStep(await mfaTokenOf(user), codeOf(user.secret))).toMatchObject(WRONG);
    expect(await secondStep(await mfaTokenOf(user), codeOf(user.secret, -1))).toMatchObject(WRONG);
    expect((await secondStep(await mfaTokenOf(user), codeOf(user.secret, 1))).status).toBe(200);
  });

  it("the code that activated the factor signs nobody in", async () => {
    const user = await protectedUser();
    expect(await secondStep(await mfaTokenOf(user), codeOf(user.secret, -1))).toMatchObject(WRONG);
  });

  it("an mfa_token opens one session, and a wrong code does not use it up", async () => {
    const user = await protectedUser();
    const token = await mfaTokenOf(user);
    expect(await secondStep(token, wrongCode(user.secret))).toMatchObject(WRONG);
    expect((await secondStep(token, codeOf(user.secret))).status).toBe(200);
    expect(await secondStep(token, codeOf(user.secret, 1))).toMatchObject(WRONG);
    expect((await secondStep(await mfaTokenOf(user), codeOf(user.secret, 1))).status).toBe(200);
  });

  it("RFC 6238 §5.2: a code is good for a step before and after its own", async () => {
    const user = await protectedUser();
    for (const [steps, status] of [
      [-2, 401],
      [2, 401],
      [-1, 401], // used up by the activation
      [1, 200],
    ] as const) {
      const answer = await secondStep(await mfaTokenOf(user), codeOf(user.secret, steps));
      expect(answer.status, `${steps} steps`).toBe(status);
    }
  });
});

describe("an mfa_token", () => {
  it("lives five minutes", async () => {
    const user = await protectedUser();
    const token = await mfaTokenOf(user);
    passSeconds(299);
    expect(await secondStep(token, wrongCode(user.secret))).toMatchObject(WRONG);
    passSeconds(1);
    expect(await secondStep(token, codeOf(user.secret))).toMatchObject(NO_TOKEN);
  });

  it("is good as no other token, and no other is one", async () => {
    const user = await protectedUser();
    const token = await mfaTokenOf(user);
    expect((await ask("/api/accounts/user", { token })).body.code).toBe("invalid_access_token");
    expect((await refresh(token)).body.code).toBe("invalid_refresh_token");
    const { body } = await secondStep(token, codeOf(user.secret));
    for (const other of [body.access_token, body.refresh_token, body.device_token, "nonsense", `${token}x`]) {
      expect(await secondStep(other, codeOf(user.secret, 1))).toMatchObject(NO_TOKEN);
    }
  });

  it("dies with whatever changes the user: the factor itself, or the account", async () => {
    const user = await protectedUser();
    const early = await mfaTokenOf(user);
    const body = { password: PASSWORD, code: codeOf(user.secret) };
    expect((await askAs(user, PATH, { method: "DELETE", body })).status).toBe(204);
    expect(await secondStep(early, codeOf(user.secret, 1))).toMatchObject(NO_TOKEN);

    const other = await registerProtected();
    const token = await mfaTokenOf(other);
    await env.DB.prepare("UPDATE users SET password_hash = 'other', version = version + 1 WHERE id = ?")
      .bind(other.id)
      .run();
    expect(await secondStep(token, codeOf(other.secret))).toMatchObject(NO_TOKEN);
  });
});

describe("guessing codes", () => {
  it("LCK-06: five wrong ones, over many tokens and addresses, lock the account; then a right one is refused alike", async () => {
    const user = await protectedUser();
    const tokens: string[] = [];
    for (let i = 0; i < 3; i += 1) tokens.push(await mfaTokenOf(user));
    for (let i = 0; i < 5; i += 1) {
      expect(await secondStep(tokens[i % 3] ?? "", wrongCode(user.secret)), `guess ${i}`).toMatchObject(
        WRONG,
      );
    }
    const right = await secondStep(tokens[0] ?? "", codeOf(user.secret));
    const wrong = await secondStep(tokens[0] ?? "", wrongCode(user.secret));
    expect(right).toMatchObject(LOCKED);
    expect({ ...right.body, request_id: "" }).toEqual({ ...wrong.body, request_id: "" });
    expect(await firstStep(user), "LCK-02: nor is the password told to be right").toMatchObject(LOCKED);
    expect(await secondStep(tokens[1] ?? "", user.recovery[0]), "nor a recovery code").toMatchObject(LOCKED);
    await delivered(objectOf(user));
    const events = await notable(user.id, 7);
    expect(events.filter(({ type }) => type === "mfa_failed")).toHaveLength(5);
    const [lock] = events.filter(({ type }) => type === "account_locked");
    expect(JSON.parse(String(lock?.details))).toMatchObject({ by: "code", track: "strangers" });
  });

  it("LCK-01: of a hundred wrong codes at once five at most are looked at", async () => {
    const user = await protectedUser();
    const token = await mfaTokenOf(user);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => secondStep(token, wrongCode(user.secret))),
    );
    expect(count(answers, 401)).toBeLessThanOrEqual(5);
    expect(count(answers, 401) + count(answers, 429)).toBe(100);
  });

  it("LCK-07: the right password alone clears nothing, so whoever knows it gets no sixth code", async () => {
    const user = await protectedUser();
    for (let i = 0; i < 5; i += 1) {
      expect(await secondStep(await mfaTokenOf(user), wrongCode(user.secret))).toMatchObject(WRONG);
    }
    expect(await firstStep(user)).toMatchObject(LOCKED);
  });

  it("LCK-07: wrong passwords and wrong codes are one count, which a whole success clears", async () => {
    const user = await protectedUser();
    const wrongPassword = () => firstStep(user, { password: "not this one" });
    for (let i = 0; i < 2; i += 1) expect((await wrongPassword()).body.code).toBe("invalid_credentials");
    const token = await mfaTokenOf(user);
    for (let i = 0; i < 2; i += 1)
      expect(await secondStep(token, wrongCode(user.secret))).toMatchObject(WRONG);
    expect((await secondStep(token, codeOf(user.secret))).status).toBe(200);
    for (let i = 0; i < 2; i += 1) expect((await wrongPassword()).body.code).toBe("invalid_credentials");
    const again = await mfaTokenOf(user);
    for (let i = 0; i < 3; i += 1)
      expect(await secondStep(again, wrongCode(user.secret))).toMatchObject(WRONG);
    expect(await secondStep(again, codeOf(user.secret, 1))).toMatchObject(LOCKED);
  });

  it("second steps that never come lock nobody out", async () => {
    const user = await protectedUser();
    for (let i = 0; i < 12; i += 1) expect((await firstStep(user)).body.code).toBe("mfa_required");
    passSeconds(61); // whatever was never settled has failed by now
    expect((await secondStep(await mfaTokenOf(user), codeOf(user.secret))).status).toBe(200);
  });

  it("a client that the account knows is not locked out by strangers' codes", async () => {
    const user = await protectedUser();
    const known = await secondStep(await mfaTokenOf(user), codeOf(user.secret));
    const token = await mfaTokenOf(user);
    for (let i = 0; i < 5; i += 1)
      expect(await secondStep(token, wrongCode(user.secret))).toMatchObject(WRONG);
    expect(await secondStep(token, codeOf(user.secret, 1))).toMatchObject(LOCKED);
    const device = { "X-Device-Token": known.body.device_token };
    expect((await secondStep(token, codeOf(user.secret, 1), {}, device)).status).toBe(200);
  });
});

describe("wrong input", () => {
  it.each([
    [{}, "missing_fields"],
    [{ mfa_token: "x" }, "missing_fields"],
    [{ code: "123456" }, "missing_fields"],
    [{ mfa_token: "x", code: "" }, "missing_fields"],
    [{ mfa_token: "x", code: 123456 }, "invalid_request"],
    [{ mfa_token: "x", code: ["123456"] }, "invalid_request"],
    [{ mfa_token: 1, code: "123456" }, "invalid_request"],
    [{ mfa_token: "x", code: "123456", transport: "pigeon" }, "invalid_request"],
  ])("%j is 400 %s", async (body, code) => {
    const answer = await ask("/api/accounts/login/mfa", { body, address: uniqueAddress() });
    expect(answer).toMatchObject({ status: 400, body: { code } });
  });

  it("what is no code at all is an ordinary wrong one", async () => {
    const user = await protectedUser();
    const token = await mfaTokenOf(user);
    const known = (await secondStep(token, codeOf(user.secret))).body.device_token;
    const next = await mfaTokenOf(user);
    for (const code of ["12345", "1234567", "١٢٣٤٥٦", "x".repeat(5000)]) {
      expect(await secondStep(next, code, {}, { "X-Device-Token": known })).toMatchObject(WRONG);
    }
  });
});

it("an outage is 503, and no wrong code: the secret's key is missing, and a recovery code still works", async () => {
  const user = await protectedUser();
  const token = await mfaTokenOf(user);
  const other = { DATA_ENCRYPTION_KEY: "another key and not the one 0123456789" };
  const send = (code: string) => {
    const body = JSON.stringify({ mfa_token: token, code });
    const headers = { "CF-Connecting-IP": uniqueAddress() };
    return askWith(other, "/api/accounts/login/mfa", { method: "POST", body, headers });
  };
  for (let i = 0; i < 6; i += 1) {
    expect(await send(codeOf(user.secret))).toMatchObject({ status: 503, body: { code: "unavailable" } });
  }
  expect((await send(user.recovery[0] ?? "")).status).toBe(200);
});
