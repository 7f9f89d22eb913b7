import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, describe, expect, it } from "vitest";
import { trail } from "../support/audit.ts";
import { ask, login, PASSWORD, refresh, register, type SignedIn, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith, meanwhile } from "../support/faults.ts";
import { mfaTokenOf, registerProtected, secondStep } from "../support/mfa.ts";
import { introspect } from "../support/oauth.ts";
import { openReceiver } from "../support/receiver.ts";
import { codeOf } from "../support/totp.ts";

afterAll(stopClock); // and not between tests: the moment before which all is dead must not lie ahead

const operator = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
const read = (user: SignedIn) => ask("/api/accounts/user", { token: user.access, address: uniqueAddress() });

describe("POST /api/admin/revoke-all", () => {
  it("ends everything begun before, everywhere and as soon as it is answered; what begins afterwards works", async () => {
    const receiver = await openReceiver();
    const users = await Promise.all([register(), register()]);
    const wrong = await ask("/api/admin/revoke-all", {
      body: { reason: "x", confirm: "yes" },
      headers: operator,
    });
    expect(wrong.status).toBe(400);
    expect((await read(users[0])).status).toBe(200);

    const askedAt = Math.floor(Date.now() / 1000);
    const answer = await ask("/api/admin/revoke-all", {
      body: { reason: "signing key leaked", confirm: "revoke-all" },
      headers: operator,
    });
    expect(answer.status).toBe(200);
    const { revoked_before, effective } = answer.body;
    expect(Date.parse(revoked_before)).toBeGreaterThanOrEqual(askedAt * 1000);
    expect(effective.confirmed, "contract §8: a receipt").toBe(revoked_before);
    expect(Date.parse(effective.local) - Date.parse(effective.confirmed)).toBe(60_000);
    for (const user of users) {
      expect((await refresh(user.refresh)).body.code).toBe("refresh_token_revoked");
      expect((await read(user)).body.code).toBe("access_token_revoked");
      const verify = await ask("/api/accounts/token/verify", { body: { token: user.access } });
      expect(verify.body.code).toBe("access_token_revoked");
    }
    const again = await login(users[0]);
    expect((await read(again)).status).toBe(200);
    expect((await refresh(again.refresh)).status).toBe(200);
    const { body } = await ask(`/api/accounts/sessions/${users[0].sid}/timeline`, { token: again.access });
    expect(body.events.at(-1)).toMatchObject({ type: "ended", reason: "everyone_revoked" });

    await runDurableObjectAlarm(env.GLOBAL_EPOCH.getByName("everyone"));
    const value = await env.REVOCATIONS.get<{ before: number }>("revoked:*", "json");
    expect((value?.before ?? 0) * 1000).toBe(Date.parse(answer.body.revoked_before));
    const [event] = await trail("type = 'everyone_revoked'", [], 1);
    expect(event).toMatchObject({
      risk: "critical",
      reason: "revoked_by_admin",
      actor: "operator",
      user_id: null,
      details: JSON.stringify({ actor: "operator", note: "signing key leaked" }),
    });
    const told = (await receiver.hear()).filter(({ data }) => data.type === "everyone_revoked");
    await receiver.close();
    expect(told, "LOG-04: without the words that were typed").toMatchObject([
      { type: "alert.security_event", data: { reason: "revoked_by_admin" } },
    ]);
    expect(JSON.stringify(told)).not.toContain("leaked");
  });
});

/** Another location decides it: this isolate goes on believing its lease, for five seconds at most. */
const decidedElsewhere = () =>
  env.GLOBAL_EPOCH.getByName("everyone").revokeEveryone({
    reason: "elsewhere",
    actor: "operator",
    client: { ip: null, country: null, userAgent: null },
    requestId: "elsewhere",
  });

describe("an edge that has not heard of it yet", () => {
  it("refreshes an old session to a token that is newer than it, and that no tier believes afterwards", async () => {
    const user = await register();
    passSeconds(6);
    expect((await read(user)).status, "the lease is new").toBe(200);
    await decidedElsewhere();
    passSeconds(2);
    const { status, body } = await refresh(user.refresh, { address: uniqueAddress() });
    expect(status, "answered before").toBe(200);
    const late = { ...user, access: body.access_token };
    expect((await read(late)).status).toBe(200);
    passSeconds(3.5);
    expect((await read(user)).body.code, "it has heard of it").toBe("access_token_revoked");
    const verify = await ask("/api/accounts/token/verify", {
      body: { token: late.access },
      address: uniqueAddress(),
    });
    expect(verify.body.code).toBe("access_token_revoked");
    expect((await read(late)).body.code, "also within the user's own lease").toBe("access_token_revoked");
    expect((await introspect(late.access)).body).toEqual({ active: false });
    expect((await refresh(body.refresh_token)).body.code).toBe("refresh_token_revoked");
  });

  it("opens a session whose password was shown before it, and which is dead afterwards", async () => {
    const user = await register();
    passSeconds(6);
    expect((await read(user)).status, "the lease is new").toBe(200);
    const init = {
      method: "POST",
      body: JSON.stringify({ username: user.username, password: PASSWORD }),
      headers: { "CF-Connecting-IP": uniqueAddress() },
    };
    const USER_AUTHORITY = meanwhile("openSession", async () => {
      await decidedElsewhere();
      passSeconds(2);
    });
    const { status, body } = await askWith({ USER_AUTHORITY }, "/api/accounts/login", init);
    expect(status, "answered before").toBe(200);
    passSeconds(3.5);
    expect((await read({ ...user, access: body.access_token })).body.code).toBe("access_token_revoked");
    expect((await refresh(body.refresh_token)).body.code).toBe("refresh_token_revoked");
  });

  it("refuses a login that began before it, once it has heard of it, and an mfa_token of before", async () => {
    const user = await registerProtected();
    const mfa_token = await mfaTokenOf(user);
    const plain = await register();
    const init = {
      method: "POST",
      body: JSON.stringify({ username: plain.username, password: PASSWORD }),
      headers: { "CF-Connecting-IP": uniqueAddress() },
    };
    const USER_AUTHORITY = meanwhile("openSession", async () => {
      await decidedElsewhere();
      passSeconds(6);
      await read(plain); // by now this isolate knows
    });
    expect((await askWith({ USER_AUTHORITY }, "/api/accounts/login", init)).status).toBe(503);
    expect((await secondStep(mfa_token, codeOf(user.secret))).body.code).toBe("invalid_mfa_token");
  });
});
