import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { trail } from "../support/audit.ts";
import { type Answer, ask, login, refresh, register, type SignedIn } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";

const objectOf = (user: SignedIn) => env.USER_AUTHORITY.getByName(String(user.id));

afterEach(stopClock);

/** Runs the object's alarm as often as it asks, so that its outbox is empty. */
async function settle(user: SignedIn): Promise<void> {
  for (let i = 0; i < 3; i += 1) await runDurableObjectAlarm(objectOf(user));
}

const eventsOf = (user: SignedIn, type: string) => trail("user_id = ? AND type = ?", [user.id, type], 1);

describe("refresh", () => {
  it("REF-01: answers a new pair, and the session goes on", async () => {
    const user = await register();
    const first = await refresh(user.refresh);
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({ session_id: user.sid, message: "Token refreshed successfully" });
    expect(first.body.refresh_token).not.toBe(user.refresh);
    expect((await ask("/api/accounts/user", { token: first.body.access_token })).status).toBe(200);
    expect((await refresh(first.body.refresh_token)).status).toBe(200);
  });

  it("REF-02: fifty concurrent refreshes of one token give one successor, and it works", async () => {
    const user = await register();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => refresh(user.refresh, { address: user.address })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    const successors = new Set(answers.map(({ body }) => body.refresh_token));
    expect(successors.size).toBe(1);
    const [successor = ""] = successors;
    expect((await refresh(successor, { address: user.address })).status).toBe(200);
  });

  it("REF-10: a lost answer is recovered within the grace, byte for byte, from anywhere", async () => {
    const user = await register();
    const lost = await refresh(user.refresh, { address: "198.51.100.1" });
    passSeconds(9);
    const again = await refresh(user.refresh, { address: "198.51.100.2" });
    expect(again.body.refresh_token).toBe(lost.body.refresh_token);
  });

  it("the client that stayed where it was may retry for ten minutes, another may not", async () => {
    const user = await register();
    const lost = await refresh(user.refresh, { address: user.address });
    passSeconds(590);
    const again = await refresh(user.refresh, { address: user.address });
    expect(again.body.refresh_token).toBe(lost.body.refresh_token);
    const stranger = await refresh(user.refresh, { address: "198.51.100.3" });
    expect(stranger.body.code).toBe("refresh_token_reused");
  });

  it("REF-05, REF-06: reuse after the grace ends the family, its newest token and its access tokens", async () => {
    const user = await register();
    const other = await login(user);
    const next = await refresh(user.refresh, { address: user.address });
    const stolen = () => refresh(user.refresh, { address: "198.51.100.4" });
    passSeconds(11);
    expect((await stolen()).body).toMatchObject({
      status: 401,
      code: "refresh_token_reused",
      error: "Refresh token is invalid or has been revoked",
    });
    expect((await refresh(next.body.refresh_token)).body.code).toBe("refresh_token_revoked");
    expect((await ask("/api/accounts/user", { token: next.body.access_token })).body.code).toBe(
      "access_token_revoked",
    );
    expect((await refresh(other.refresh)).status, "REF-07: other families survive").toBe(200);
  });

  it("exactly one event of high risk is kept of a reuse, however often it is tried again", async () => {
    const user = await register();
    const next = await refresh(user.refresh);
    await refresh(next.body.refresh_token);
    const tries = await Promise.all(Array.from({ length: 10 }, () => refresh(user.refresh)));
    expect(tries.filter(({ body }) => body.code === "refresh_token_reused")).toHaveLength(1);
    await settle(user);
    await refresh(user.refresh);
    await settle(user);
    const events = await eventsOf(user, "token_reuse_detected");
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ risk: "high", sid: user.sid, reason: "reuse" });
  });

  it("REF-04: a grandparent is reuse at once, also inside the grace", async () => {
    const user = await register();
    const child = await refresh(user.refresh, { address: user.address });
    await refresh(child.body.refresh_token, { address: user.address });
    expect((await refresh(user.refresh, { address: user.address })).body.code).toBe("refresh_token_reused");
  });

  it("REF-08, REF-09: idle and absolute lifetimes hold, and rotation never extends the second", async () => {
    const user = await register();
    passSeconds(86_390);
    const next = await refresh(user.refresh);
    expect(next.status).toBe(200);
    expect(next.body.refresh_expires_in).toBe(86_400);
    let token = next.body.refresh_token;
    let last: Answer = next;
    for (let i = 0; i < 40 && last.status === 200; i += 1) {
      passSeconds(80_000);
      last = await refresh(token, { address: `203.0.113.${i}` });
      token = last.body.refresh_token ?? token;
      if (last.status === 200) expect(last.body.expires_in).toBeLessThanOrEqual(last.body.refresh_expires_in);
    }
    expect(last.body.code, "thirty days have passed").toBe("invalid_refresh_token");
  });

  it("REF-11: a deactivated user is refused, and the session ends", async () => {
    const user = await register();
    await runInDurableObject(objectOf(user), (_object, state) => {
      state.storage.sql.exec("UPDATE account SET is_active = 0");
    });
    expect((await refresh(user.refresh)).body.code).toBe("refresh_token_revoked");
    await runInDurableObject(objectOf(user), (_object, state) => {
      state.storage.sql.exec("UPDATE account SET is_active = 1");
    });
    expect((await refresh(user.refresh)).body.code, "ended, not only refused").toBe("refresh_token_revoked");
  });

  it("REF-14: a forged, malformed or foreign token reaches no object", async () => {
    const forged = await new SignJWT({ sid: "A".repeat(22), user_id: 987_654_321, token_type: "refresh" })
      .setProtectedHeader({ alg: "HS256", typ: "rt+jwt" })
      .sign(new TextEncoder().encode("another secret of at least thirty-two bytes"));
    for (const token of ["null", "undefined", "a.b.c", forged, "x".repeat(9000)]) {
      const answer = await refresh(token);
      expect(answer.body).toMatchObject({
        status: 401,
        code: "invalid_refresh_token",
        error: "Invalid refresh token",
      });
      expect(answer.headers.get("WWW-Authenticate")).toBe('Bearer error="invalid_token"');
    }
  });

  it("DUR-02: used stays used and revoked stays revoked when the object is evicted between calls", async () => {
    const user = await register();
    const other = await login(user);
    const next = await refresh(user.refresh);
    await ask("/api/accounts/logout", { token: other.access, body: { scope: "local" } });
    await evictDurableObject(objectOf(user));
    expect((await refresh(other.refresh)).body.code).toBe("refresh_token_revoked");
    await evictDurableObject(objectOf(user));
    const repeated = await refresh(user.refresh);
    expect(repeated.body.refresh_token).toBe(next.body.refresh_token);
  });
});

describe("the object's outbox and alarm", () => {
  it("a revocation reaches KV by the alarm, and only ever says denied", async () => {
    const user = await register();
    const other = await login(user);
    await ask("/api/accounts/logout", { token: other.access, body: { scope: "local" } });
    await settle(user);
    const value = await env.REVOCATIONS.get<{ epoch: number; sids: Record<string, number> }>(
      `revoked:${user.id}`,
      "json",
    );
    expect(Object.keys(value?.sids ?? {})).toEqual([other.sid]);
    const before = value?.epoch ?? 0;
    await ask("/api/accounts/logout", { token: user.access, body: { scope: "global" } });
    await settle(user);
    expect(await env.REVOCATIONS.get(`revoked:${user.id}`, "json")).toMatchObject({ epoch: before + 1 });
  });

  it("DUR-05: an object whose sessions have all expired empties itself, and the user can come back", async () => {
    const user = await register();
    passSeconds(86_400 + 1200);
    expect(await runDurableObjectAlarm(objectOf(user))).toBe(true);
    const tables = await runInDurableObject(objectOf(user), (_object, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'families'").toArray(),
    );
    expect(tables).toEqual([]);
    expect((await refresh(user.refresh)).status).toBe(401);
    const again = await login(user);
    expect((await refresh(again.refresh)).status).toBe(200);
  });
});
