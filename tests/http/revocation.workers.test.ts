import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { notable, trail } from "../support/audit.ts";
import {
  type Answer,
  ask,
  login,
  PASSWORD,
  refresh,
  register,
  type SignedIn,
  signIn,
  uniqueAddress,
} from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith, meanwhile, rebind, unreachable } from "../support/faults.ts";
import { mfaTokenOf, registerProtected, secondStep } from "../support/mfa.ts";
import { codeOf } from "../support/totp.ts";

afterEach(stopClock);

const operator = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
const read = (user: SignedIn) => ask("/api/accounts/user", { token: user.access, address: uniqueAddress() });
const revokeUser = (id: number | string, body: unknown = {}, headers: Record<string, string> = operator) =>
  ask(`/api/admin/users/${id}/revoke-sessions`, { body, headers, address: uniqueAddress() });

const signInWith = (overrides: object, { username }: SignedIn) =>
  askWith({ ...overrides }, "/api/accounts/login", {
    method: "POST",
    body: JSON.stringify({ username, password: PASSWORD }),
    headers: { "CF-Connecting-IP": uniqueAddress() },
  });

async function makeAdmin(user: SignedIn): Promise<void> {
  await env.DB.prepare("UPDATE users SET role = 'admin', version = version + 1 WHERE id = ?")
    .bind(user.id)
    .run();
}

describe("POST /api/admin/users/{id}/revoke-sessions", () => {
  it("ends every session of the user and answers a receipt; asked again, it ends nothing and says so", async () => {
    const user = await register();
    const others = await Promise.all([login(user), login(user)]);
    const first = await revokeUser(user.id, { reason: "laptop stolen" });
    expect(first).toMatchObject({ status: 200, body: { revoked: 3 } });
    for (const one of [user, ...others]) {
      expect((await read(one)).body.code).toBe("access_token_revoked");
      expect((await refresh(one.refresh)).body.code).toBe("refresh_token_revoked");
    }
    const second = await revokeUser(user.id);
    expect(second.body).toMatchObject({ revoked: 0, epoch: first.body.epoch });
    const again = await login(user);
    expect((await read(again)).status).toBe(200);
    await runDurableObjectAlarm(env.USER_AUTHORITY.getByName(String(user.id)));
    const results = await notable(user.id, 1);
    expect(results).toHaveLength(1);
    expect(results[0]).toMatchObject({ type: "sessions_revoked", reason: "ended_by_admin" });
    expect(JSON.parse(String(results[0]?.details))).toEqual({ note: "operator: laptop stolen" });
  });

  it("a user with 1,500 past sessions is revoked whole, in one call", async () => {
    const user = await register();
    await runInDurableObject(env.USER_AUTHORITY.getByName(String(user.id)), (_object, { storage }) => {
      const [row] = storage.sql.exec("SELECT * FROM families").toArray();
      const columns = Object.keys(row ?? {});
      for (let i = 0; i < 1500; i += 1) {
        const values = { ...row, sid: `past${String(i).padStart(18, "0")}` };
        storage.sql.exec(
          `INSERT INTO families (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
          ...Object.values(values),
        );
      }
    });
    expect((await revokeUser(user.id)).body.revoked).toBe(1501);
    expect((await refresh(user.refresh)).body.code).toBe("refresh_token_revoked");
  });

  it("ADM-01: is closed to everyone but an admin at this moment and the operator", async () => {
    const user = await register();
    const victim = await register();
    const bearer = { Authorization: `Bearer ${user.access}` };
    expect(await revokeUser(victim.id, {}, bearer)).toMatchObject({
      status: 403,
      body: { code: "permission_denied", error: "Permission denied" },
    });
    expect((await revokeUser(victim.id, {}, {})).body.code).toBe("token_required");
    expect((await revokeUser(victim.id, {}, { Authorization: "Bearer nonsense" })).body.code).toBe(
      "invalid_access_token",
    );
    expect((await read(victim)).status).toBe(200);

    await makeAdmin(user);
    const admin = await login(user);
    const asAdmin = { Authorization: `Bearer ${admin.access}` };
    expect((await revokeUser(victim.id, {}, asAdmin)).body.revoked).toBe(1);
    await ask("/api/accounts/logout", { token: admin.access, body: { scope: "local" } });
    expect((await revokeUser(victim.id, {}, asAdmin)).body.code).toBe("access_token_revoked");
  });

  it("ADM-05: without ADMIN_TOKEN no operator exists", async () => {
    const init = { method: "POST", body: "{}", headers: operator };
    const answer = await askWith({ ADMIN_TOKEN: "" }, "/api/admin/users/1/revoke-sessions", init);
    expect(answer.body.code).toBe("invalid_access_token");
  });

  it.each(["0", "-1", "x", "1e3x", "999999999"])("an unknown user, %s, is 404", async (id) => {
    expect((await revokeUser(id)).status).toBe(404);
  });

  it("there is no third case: what was asked before it is refused, or was answered before and is dead", async () => {
    const user = await register();
    let asked = 0;
    let receipt: Answer | null = null;
    const { promise: decided, resolve: decide } = Promise.withResolvers<void>();
    // Each login has its attempt reserved and its password hashed; the last of them lets the revocation through.
    const USER_AUTHORITY = meanwhile("openSession", async () => {
      asked += 1;
      if (asked === 4) {
        receipt = await revokeUser(user.id);
        decide();
      }
      await decided;
    });
    const logins = Array.from({ length: 4 }, () => signInWith({ USER_AUTHORITY }, user));
    const refreshes = Array.from({ length: 4 }, () => refresh(user.refresh, { address: uniqueAddress() }));
    for (const answer of await Promise.all(logins)) {
      expect(answer).toMatchObject({ status: 503, body: { code: "unavailable" } });
      expect(answer.headers.get("Retry-After")).not.toBeNull();
    }
    expect(receipt).toMatchObject({ status: 200, body: { revoked: 1 } });
    for (const answer of await Promise.all(refreshes)) {
      if (answer.status !== 200) continue;
      const next = await refresh(answer.body.refresh_token, { address: uniqueAddress() });
      expect(next.body.code).toBe("refresh_token_revoked");
      expect((await read({ ...user, access: answer.body.access_token })).body.code).toBe(
        "access_token_revoked",
      );
    }
    const again = await login(user);
    expect((await read(again)).status, "its attempt was reserved afterwards, and no guess was wrong").toBe(
      200,
    );
  });

  it("LCK-06: a login that was overtaken is no wrong guess", async () => {
    const user = await register();
    const USER_AUTHORITY = meanwhile("openSession", () => revokeUser(user.id));
    for (let i = 0; i < 6; i += 1) {
      await login(user);
      expect((await signInWith({ USER_AUTHORITY }, user)).status).toBe(503);
    }
    passSeconds(61);
    expect((await signIn(user.username)).status).toBe(200);
  });

  it("a second step that it overtakes is refused, and its code stays good", async () => {
    const user = await registerProtected();
    const mfa_token = await mfaTokenOf(user);
    const body = JSON.stringify({ mfa_token, code: codeOf(user.secret) });
    const USER_AUTHORITY = meanwhile("openSession", () => revokeUser(user.id));
    const init = { method: "POST", body, headers: { "CF-Connecting-IP": uniqueAddress() } };
    expect((await askWith({ USER_AUTHORITY }, "/api/accounts/login/mfa", init)).status).toBe(503);
    expect((await secondStep(mfa_token, codeOf(user.secret))).status).toBe(200);
  });

  it("REFRESH_TOKEN_TTL below ACCESS_TOKEN_TTL: the access token of a session that has idled out dies, too", async () => {
    const user = await register();
    const object = env.USER_AUTHORITY.getByName(String(user.id));
    await rebind(object, { REFRESH_TOKEN_TTL: "6" });
    const short = await login(user);
    await ask("/api/accounts/logout", { token: user.access, body: { scope: "local" } });
    passSeconds(7);
    await runDurableObjectAlarm(object);
    const verify = () =>
      ask("/api/accounts/token/verify", { body: { token: short.access }, address: uniqueAddress() });
    expect((await verify()).status).toBe(200);
    const receipt = await revokeUser(user.id);
    expect(receipt).toMatchObject({ status: 200, body: { revoked: 0 } });
    expect((await verify()).body.code).toBe("access_token_revoked");
    expect((await revokeUser(user.id)).body, "asking twice is asking once").toMatchObject({
      revoked: 0,
      epoch: receipt.body.epoch,
    });
  });

  it("ADM-06: asked without effect, that is in the trail as well, each time", async () => {
    const user = await register();
    await revokeUser(user.id);
    await revokeUser(user.id);
    await revokeUser(user.id);
    const query = "type = 'admin_action_without_effect' AND user_id = ?";
    expect(await trail(query, [user.id], 2)).toHaveLength(2);
  });
});

describe("the lease", () => {
  it("RATE_LIMIT_USER admits exactly its number, from however many addresses", async () => {
    const user = await register();
    const addresses = [uniqueAddress(), uniqueAddress(), uniqueAddress(), uniqueAddress()];
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        ask("/api/accounts/user", { token: user.access, address: addresses[i % 4] ?? "" }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(60);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.headers.get("RateLimit-Policy")).toContain('"user";q=60;w=60');
    expect(Number(refused?.headers.get("Retry-After"))).toBeGreaterThan(0);
    passSeconds(Number(refused?.headers.get("Retry-After")));
    expect((await read(user)).status).toBe(200);
  });

  it("a session ended elsewhere is refused within five seconds, though this isolate was not told", async () => {
    const user = await register();
    const other = await login(user);
    expect((await read(other)).status).toBe(200);
    // Another location ends it: the object is asked directly, this isolate hears nothing.
    const origin = {
      client: { ip: null, country: null, userAgent: null },
      requestId: "elsewhere",
      revokedBefore: 0,
    };
    await env.USER_AUTHORITY.getByName(String(user.id)).revoke({
      by: null,
      scope: { kind: "all" },
      reason: "ended_by_admin",
      note: null,
      ...origin,
    });
    passSeconds(5);
    expect((await read(other)).body.code).toBe("access_token_revoked");
    expect((await read(user)).body.code).toBe("access_token_revoked");
  });

  it("with the user's object down, signature and KV decide", async () => {
    const user = await register();
    const USER_AUTHORITY = unreachable<Env["USER_AUTHORITY"]>();
    const init = { headers: { Authorization: `Bearer ${user.access}` } };
    passSeconds(6);
    expect((await askWith({ USER_AUTHORITY }, "/api/accounts/user", init)).status).toBe(200);
    await env.REVOCATIONS.put(`revoked:${user.id}`, JSON.stringify({ epoch: 9_999_999_999, sids: {} }));
    passSeconds(6);
    expect((await askWith({ USER_AUTHORITY }, "/api/accounts/user", init)).body.code).toBe(
      "access_token_revoked",
    );
  });
});

describe("a revocation in the last minute of a token's life", () => {
  it("works: KV takes no lifetime under 60 s, so its value outlives the token instead", async () => {
    const user = await register();
    passSeconds(590);
    const answer = await ask("/api/accounts/logout", { method: "POST", token: user.access });
    expect(answer.body.message).toBe("Logout successful");
    expect((await read(user)).body.code).toBe("access_token_revoked");
    await runDurableObjectAlarm(env.USER_AUTHORITY.getByName(String(user.id)));
    expect(await env.REVOCATIONS.get(`revoked:${user.id}`)).not.toBeNull();
  });
});

describe("GET /api/accounts/sessions/{id}/timeline", () => {
  const timeline = (sid: string, token: string, query = "") =>
    ask(`/api/accounts/sessions/${sid}/timeline${query}`, { token, address: uniqueAddress() });

  it("says when a session began, each refresh, and why it ended, with the verdict on a reuse", async () => {
    const user = await register();
    const other = await login(user);
    let next: Answer = await refresh(other.refresh, { address: other.address });
    next = await refresh(next.body.refresh_token, { address: "198.51.100.9" });
    const agent = { "User-Agent": "thief/1.0" };
    expect((await refresh(other.refresh, { address: "203.0.113.66", headers: agent })).body.code).toBe(
      "refresh_token_reused",
    );
    const { body } = await timeline(other.sid, user.access);
    expect(body.events.map(({ type }: { type: string }) => type)).toEqual([
      "began",
      "refreshed",
      "refreshed",
      "ended",
    ]);
    expect(body.earlier_refreshes).toBe(0);
    expect(body.events[1]).toMatchObject({ client_changed: false });
    expect(body.events[2]).toMatchObject({ client_changed: true });
    expect(body.events[3]).toMatchObject({
      reason: "reuse",
      verdict: { generation_gap: 2, address_changed: true, user_agent_changed: true, in_flight: 1 },
    });
  });

  it("tells logout, an epoch that moved, an eviction and idleness apart", async () => {
    const user = await register();
    const reasons: string[] = [];
    const ended = await login(user);
    await ask("/api/accounts/logout", { token: ended.access, body: { scope: "local" } });
    const byOwner = await login(user);
    await ask(`/api/accounts/sessions/${byOwner.sid}`, {
      method: "DELETE",
      token: user.access,
      address: uniqueAddress(),
    });
    await revokeUser(user.id);
    const now = await login(user);
    for (const sid of [ended.sid, byOwner.sid, user.sid]) {
      reasons.push((await timeline(sid, now.access)).body.events.at(-1).reason);
    }
    expect(reasons).toEqual(["logout", "ended_by_owner", "ended_by_admin"]);
  });

  it("REV-06: another's session is 404, but an admin may name its user", async () => {
    const user = await register();
    const stranger = await register();
    expect((await timeline(user.sid, stranger.access)).status).toBe(404);
    const query = `?user_id=${user.id}`;
    expect((await timeline(user.sid, stranger.access, query)).body.code).toBe("permission_denied");
    await makeAdmin(stranger);
    const admin = await login(stranger);
    expect((await timeline(user.sid, admin.access, query)).body.events[0].type).toBe("began");
    expect((await timeline("nonsense", admin.access)).status).toBe(404);
    expect((await timeline(user.sid, admin.access, "?user_id=x")).status).toBe(400);
  });
});

// Last in the file: it ends every session that other tests hold.
