import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { trail } from "../support/audit.ts";
import { ask, login, refresh, register, type SignedIn, uniqueAddress } from "../support/client.ts";
import { openReceiver } from "../support/receiver.ts";

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
    expect(Date.parse(answer.body.revoked_before)).toBeGreaterThanOrEqual(askedAt * 1000);
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
