/** Where mail and its tokens are kept, what survives what, and what is told of it. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { delivered, notable } from "../support/audit.ts";
import { ask, login, PASSWORD, refresh, register, signIn, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { dumpDatabase, dumpObject } from "../support/dump.ts";
import { askWith, down, failing } from "../support/faults.ts";
import {
  addressObject,
  askForReset,
  confirmReset,
  handOver,
  mailed,
  objectOf,
  outbox,
  RESET,
  resetToken,
  tokenIn,
} from "../support/mail.ts";
import { protect } from "../support/mfa.ts";

afterEach(() => {
  stopClock();
  vi.restoreAllMocks();
});

const NEW_PASSWORD = "another quiet harbour 28";

const confirmWith = (overrides: Record<string, unknown>, token: string) =>
  askWith(overrides, "/api/accounts/password/reset/confirm", {
    method: "POST",
    body: JSON.stringify({ token, new_password: NEW_PASSWORD }),
    headers: { "CF-Connecting-IP": uniqueAddress() },
  });

describe("/dev/outbox", () => {
  it("contract §6: newest first, of one address in any case or of all; it does not exist elsewhere", async () => {
    const user = await register();
    await resetToken(user.email);
    const messages = await outbox(user.email.toUpperCase());
    expect(messages.map(({ subject }) => subject)).toEqual([
      "Reset your password",
      "Confirm your email address",
    ]);
    expect(Object.keys(messages[0] ?? {}).sort()).toEqual(["created_at", "html", "subject", "text", "to"]);
    expect((await ask("/dev/outbox")).body.messages.length).toBeGreaterThan(1);
    for (const ENVIRONMENT of ["staging", "production"]) {
      for (const method of ["GET", "POST", "DELETE"]) {
        const answer = await askWith({ ENVIRONMENT }, "/dev/outbox", { method });
        expect(answer).toMatchObject({ status: 404, body: { code: "not_found" } });
        expect(answer.headers.get("Allow")).toBeNull();
      }
      const headers = { Origin: "https://app.example", "Access-Control-Request-Method": "GET" };
      for (const path of ["/dev/outbox", "/dev/nothing"]) {
        const { headers: told } = await askWith({ ENVIRONMENT }, path, { method: "OPTIONS", headers });
        expect(told.get("Allow"), path).toBe("OPTIONS");
        expect(told.get("Access-Control-Allow-Methods") ?? "", path).toBe("");
      }
    }
  });
});

describe("no token is kept or told", () => {
  it("REF-12: every table of D1 and of the user's object yields no token that could be shown", async () => {
    const user = await register();
    const { access_token, refresh_token } = (await refresh(user.refresh, { address: user.address })).body;
    const everything = [await dumpDatabase(), await dumpObject(objectOf(user))].join("\n");
    expect(everything).toContain(user.sid);
    for (const token of [user.access, user.refresh, access_token, refresh_token]) {
      expect(everything).not.toContain(token.split(".")[2]);
      expect(everything).not.toContain(token.split(".")[1]);
    }
  });

  it("RST-04, LOG-01, LOG-05: neither any table of D1 or of an object, nor any line of the log holds one", async () => {
    const lines: string[] = [];
    vi.spyOn(console, "log").mockImplementation((line: unknown) => void lines.push(String(line)));
    const user = await register();
    await askForReset(user.email);
    const waiting = await dumpObject(await addressObject(user.email));
    const token = await resetToken(user.email);
    const objects = [
      await dumpObject(objectOf(user)),
      await dumpObject(await addressObject(user.email)),
      waiting,
    ];
    const everything = [await dumpDatabase(), ...objects].join("\n");
    expect(everything).toContain(user.username);
    expect(everything).not.toContain(token);
    expect((await confirmReset(token, NEW_PASSWORD)).status).toBe(200);
    expect(lines.length).toBeGreaterThan(0);
    for (const secret of [token, NEW_PASSWORD, user.email]) expect(lines.join("\n")).not.toContain(secret);
  });
});

describe("what dies in between", () => {
  it("RST-07: with the object down nothing is changed and the token stays good", async () => {
    const user = await register();
    const token = await resetToken(user.email);
    const answer = await confirmWith({ USER_AUTHORITY: failing("beginChange") }, token);
    expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect((await signIn(user.username, PASSWORD)).status).toBe(200);
    expect((await confirmReset(token, NEW_PASSWORD)).status).toBe(200);
  });

  it("RST-07: with D1 down after the object was told, the old password and the token stay good", async () => {
    const user = await register();
    const token = await resetToken(user.email);
    const prepare = env.DB.prepare.bind(env.DB);
    const DB = { prepare, batch: () => Promise.reject(new Error("the network is down")) };
    expect((await confirmWith({ DB }, token)).status).toBe(503);
    passSeconds(61);
    await handOver(objectOf(user)); // it looks, and D1 has changed nothing
    expect((await refresh(user.refresh, { address: uniqueAddress() })).status).toBe(200);
    expect((await signIn(user.username, PASSWORD)).status).toBe(200);
    expect((await confirmReset(token, NEW_PASSWORD)).status).toBe(200);
  });

  it("DUR-03: once D1 has the new password, the object ends the sessions by itself, and the owner is told", async () => {
    const user = await register();
    const other = await login(user);
    const answer = await confirmWith({ USER_AUTHORITY: failing("endChange") }, await resetToken(user.email));
    expect(answer.status).toBe(503);
    await evictDurableObject(objectOf(user));
    passSeconds(61);
    await handOver(objectOf(user));
    await handOver(objectOf(user));
    for (const session of [user, other]) {
      expect((await refresh(session.refresh, { address: uniqueAddress() })).body.code).toBe(
        "refresh_token_revoked",
      );
    }
    expect((await outbox(user.email)).filter(({ subject }) => /was reset/.test(subject))).toHaveLength(1);
  });

  it("DUR-03: or with the next change of the account, also one that ends no session: a thief's cannot hide it", async () => {
    const user = await register();
    const thief = await login(user);
    await confirmWith({ USER_AUTHORITY: failing("endChange") }, await resetToken(user.email));
    await protect(thief); // within the minute before the object looks by itself
    for (const session of [user, thief]) {
      expect((await refresh(session.refresh, { address: uniqueAddress() })).body.code).toBe(
        "refresh_token_revoked",
      );
    }
    await handOver(objectOf(user));
    expect(await mailed(user.email, /was reset/)).toHaveLength(1);
    await delivered(objectOf(user));
    const types = (await notable(user.id, 3)).map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(["password_reset", "sessions_revoked", "mfa_enabled"]));
  });

  it("DUR-03: or at the next login, which lives on itself", async () => {
    const user = await register();
    await confirmWith({ USER_AUTHORITY: failing("endChange") }, await resetToken(user.email));
    const fresh = await signIn(user.username, NEW_PASSWORD);
    expect(fresh.status).toBe(200);
    expect((await refresh(user.refresh, { address: uniqueAddress() })).body.code).toBe(
      "refresh_token_revoked",
    );
    passSeconds(61);
    await handOver(objectOf(user));
    expect((await refresh(fresh.body.refresh_token, { address: uniqueAddress() })).status).toBe(200);
    expect(await mailed(user.email, /was reset/)).toHaveLength(1);
  });

  it("a change that lost its race leaves nothing behind that could end a later session", async () => {
    const user = await register();
    const token = await resetToken(user.email);
    const answers = await Promise.all(Array.from({ length: 6 }, () => confirmReset(token, NEW_PASSWORD)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const fresh = await signIn(user.username, NEW_PASSWORD);
    passSeconds(61);
    await handOver(objectOf(user));
    expect((await refresh(fresh.body.refresh_token, { address: uniqueAddress() })).status).toBe(200);
    expect((await outbox(user.email)).filter(({ subject }) => /was reset/.test(subject))).toHaveLength(1);
  });

  it("a mail waits in its object: eviction and an outage of D1 lose nothing, and double nothing", async () => {
    const user = await register();
    await mailed(user.email, /^Confirm/);
    await askForReset(user.email);
    await evictDurableObject(await addressObject(user.email));
    expect(await mailed(user.email, RESET)).toHaveLength(1);
    const order = { id: "AAAAAAAAAAAAAAAAAAAAAA", mail: { kind: "password_reset", userId: user.id } };
    await runInDurableObject(objectOf(user), (_object, { storage: { sql } }) => {
      expect(sql.exec("SELECT * FROM mails").toArray(), "what was handed over is forgotten").toEqual([]);
    });
    const postman = (await import("cloudflare:workers")).exports.Postman;
    const delivery = { ...order, askedAtMs: Date.now() } as never;
    for (let i = 0; i < 3; i += 1) expect(await postman.deliver(delivery)).toEqual({ kind: "done" });
    expect(await mailed(user.email, RESET, 2), "delivered thrice, it is one message").toHaveLength(2);
  });

  it("RST-01: no retry prolongs a link that may have arrived; after half of its life comes another, and it is dead", async () => {
    const user = await register();
    await mailed(user.email, /^Confirm/);
    const { Postman } = (await import("cloudflare:workers")).exports;
    const mail = { kind: "password_reset", userId: user.id };
    const delivery = { id: `R${user.id}`.padEnd(22, "A"), mail, askedAtMs: Date.now() } as never;
    const attempt = async () => {
      expect(await Postman.deliver(delivery)).toEqual({ kind: "done" });
      return (await outbox(user.email)).filter(({ subject }) => RESET.test(subject)).map(tokenIn);
    };
    const end = () =>
      env.DB.prepare("SELECT expires_at FROM mailed_tokens WHERE user_id = ? AND purpose = 'password_reset'")
        .bind(user.id)
        .all();
    const [first] = await attempt();
    const firstEnd = (await end()).results;
    passSeconds(1790);
    expect(await attempt(), "the same message").toEqual([first]);
    expect((await end()).results).toEqual(firstEnd);
    passSeconds(20);
    const [second, ...others] = await attempt();
    expect(others).toEqual([first]);
    expect((await confirmReset(first, NEW_PASSWORD)).body.code).toBe("invalid_reset_token");
    expect((await confirmReset(second, NEW_PASSWORD)).status).toBe(200);
    passSeconds(1800);
    expect(await attempt(), "what was used is not sent anew").toHaveLength(2);
  });

  it("an outage of the address's object is 503, never a 200 that nothing follows", async () => {
    const init = { method: "POST", body: JSON.stringify({ email: "a@example.com" }) };
    const USER_AUTHORITY = { getByName: () => down() };
    const answer = await askWith({ USER_AUTHORITY }, "/api/accounts/password/reset", init);
    expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
  });
});
