/** The owner unlocks by mail (contract §2, LCK-05, NIST SP 800-63B). */
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { delivered, notable } from "../support/audit.ts";
import {
  type Answer,
  ask,
  PASSWORD,
  refresh,
  register,
  type SignedIn,
  signIn,
  unique,
  uniqueAddress,
} from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { failSparsely, lock, reserve, wrong } from "../support/lockout.ts";
import {
  askForReset,
  confirmReset,
  handOver,
  mailed,
  objectOf,
  outbox,
  RESET,
  resetToken,
  tokenIn,
  UNLOCK,
} from "../support/mail.ts";

afterEach(stopClock);

const NEW_PASSWORD = "another quiet harbour 28";
const invalid = { status: 400, body: { code: "invalid_unlock_token" } };

const unlock = (token: unknown): Promise<Answer> =>
  ask("/api/accounts/unlock", { body: { token }, address: uniqueAddress() });

/** What the object has to mail, handed over; the links among it, newest first. */
async function unlockLinks(user: SignedIn) {
  await handOver(objectOf(user));
  return (await outbox(user.email)).filter(({ subject }) => UNLOCK.test(subject));
}

describe("unlock", () => {
  it("a lock mails one link, which unlocks once and is told to the trail", async () => {
    const user = await register();
    await lock(user);
    for (let i = 0; i < 5; i += 1) await wrong(user.username);
    const [message] = await mailed(user.email, UNLOCK);
    expect(message?.text).toContain("http://localhost:5173/unlock-account#token=");
    const answers = await Promise.all(Array.from({ length: 10 }, () => unlock(tokenIn(message))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await signIn(user.username, PASSWORD)).status).toBe(200);
    expect(await mailed(user.email, UNLOCK, 1)).toHaveLength(1);
    expect(await unlock(tokenIn(message))).toMatchObject(invalid);
    await delivered(objectOf(user));
    const events = await notable(user.id, 2);
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["account_locked", "account_unlocked"]),
    );
    expect(String(events.find(({ type }) => type === "account_unlocked")?.details)).toContain(
      "owner, by mail",
    );
  });

  it("a used link does not open a later lock", async () => {
    const user = await register();
    await lock(user);
    const first = tokenIn((await mailed(user.email, UNLOCK))[0]);
    expect((await unlock(first)).status).toBe(200);
    await lock(user);
    expect(await unlock(first)).toMatchObject(invalid);
    const second = tokenIn((await mailed(user.email, UNLOCK, 2))[0]);
    expect((await unlock(second)).status).toBe(200);
  });

  it("past LOCKOUT_CEILING, where time helps no more, the link does", async () => {
    const user = await register();
    let failures = 0;
    for (let i = 0; i < 200 && failures < 100; i += 1) {
      const answer = await wrong(user.username);
      if (answer.status === 401) failures += 1;
      else passSeconds(Number(answer.headers.get("Retry-After")));
    }
    await handOver(objectOf(user));
    passSeconds(3600);
    expect((await signIn(user.username, PASSWORD)).body.code).toBe("account_locked");
    const [message] = (await outbox(user.email)).filter(({ subject }) => UNLOCK.test(subject));
    expect((await unlock(tokenIn(message))).status).toBe(200);
    expect((await signIn(user.username, PASSWORD)).status).toBe(200);
  });

  it("LOCKOUT_CEILING is told like any lock, also where failures too sparse to lock reach it", async () => {
    const user = await register();
    await failSparsely(user, 100);
    expect((await signIn(user.username, PASSWORD)).body.code).toBe("account_locked");
    await delivered(objectOf(user));
    expect(await notable(user.id, 1)).toMatchObject([
      { type: "account_locked", risk: "high", reason: "ceiling" },
    ]);
    expect(await unlockLinks(user)).toHaveLength(1);
  });

  it("past the ceiling a fresh link comes, once the last has run out, to whoever is refused; and it unlocks", async () => {
    const user = await register();
    await failSparsely(user, 100);
    const refusedAgain = async () => {
      for (let i = 0; i < 3; i += 1) expect((await wrong(user.username)).body.code).toBe("account_locked");
      return (await unlockLinks(user)).length;
    };
    expect(await refusedAgain(), "the first is still good").toBe(1);
    passSeconds(86_400);
    expect(await refusedAgain()).toBe(2);
    const [newest] = await unlockLinks(user);
    expect((await unlock(tokenIn(newest))).status).toBe(200);
    expect((await signIn(user.username, PASSWORD)).status).toBe(200);
  });

  it("whoever asks for resets keeps no unlocking link away", async () => {
    const user = await register();
    for (let i = 0; i < 4; i += 1) await askForReset(user.email);
    expect(await mailed(user.email, RESET, 3)).toHaveLength(3);
    await lock(user);
    expect(await mailed(user.email, UNLOCK)).toHaveLength(1);
  });

  it("attempts that nobody settles lock by the alarm, which tells it and mails the link", async () => {
    const user = await register();
    passSeconds(0); // the clock stands still from here on
    await reserve(user, 5);
    const open = await signIn(user.username, PASSWORD);
    expect(open).toMatchObject({ status: 429, body: { code: "account_locked", retry_after: 60 } });
    passSeconds(60);
    await delivered(objectOf(user));
    const [event] = await notable(user.id, 1);
    expect(event).toMatchObject({ type: "account_locked", reason: "threshold", ip: "203.0.113.7" });
    expect(JSON.parse(String(event?.details))).toMatchObject({ by: "unsettled" });
    expect((await signIn(user.username, PASSWORD)).body.retry_after).toBe(1800);
    expect(await unlockLinks(user)).toHaveLength(1);
  });

  it("LCK-05: while locked, sessions and a password reset go on working, and the reset unlocks", async () => {
    const user = await register();
    await lock(user);
    expect((await ask("/api/accounts/user", { token: user.access })).status).toBe(200);
    expect((await refresh(user.refresh, { address: user.address })).status).toBe(200);
    expect((await confirmReset(await resetToken(user.email), NEW_PASSWORD)).status).toBe(200);
    expect((await signIn(user.username, NEW_PASSWORD)).status).toBe(200);
    const [message] = await mailed(user.email, UNLOCK);
    expect(await unlock(tokenIn(message)), "and the link has died with the password").toMatchObject(invalid);
  });

  it("no mail for a name that nobody has, nor for an inactive or unusable account", async () => {
    const [inactive, unusable, other] = [await register(), await register(), await register()];
    await env.DB.batch([
      env.DB.prepare("UPDATE users SET is_active = 0 WHERE id = ?").bind(inactive.id),
      env.DB.prepare("UPDATE users SET password_hash = '!' WHERE id = ?").bind(unusable.id),
    ]);
    const nobody = `${unique("nobody")}@example.com`;
    for (const username of [nobody, inactive.username, unusable.username, other.username])
      await lock({ username });
    expect(await mailed(other.email, UNLOCK)).toHaveLength(1);
    for (const email of [nobody, inactive.email, unusable.email]) {
      expect((await outbox(email)).filter(({ subject }) => UNLOCK.test(subject))).toEqual([]);
    }
  });

  it("what is missing, of the wrong type or of another purpose is refused", async () => {
    expect(await unlock("")).toMatchObject({ status: 400, body: { error: "Token is required" } });
    expect(await unlock(5)).toMatchObject({ status: 400, body: { code: "invalid_request" } });
    const user = await register();
    for (const token of ["x", "x".repeat(43), await resetToken(user.email)]) {
      expect(await unlock(token)).toMatchObject(invalid);
    }
  });
});
