/** News of a user, told to the object itself: what is durable, what races, and what is forgotten again. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { hasTables } from "../../../objects/tables.ts";
import { asUserId, type SessionId, type TokenId, type UserId } from "../../../schema/ids.ts";
import type { HearOfUser, UserState } from "../../../schema/user-authority.ts";
import { openCommand } from "../../simulation/commands.ts";
import { delivered, notable } from "../../support/audit.ts";
import { ask, login, refresh, register, type SignedIn } from "../../support/client.ts";
import { passSeconds, stopClock } from "../../support/clock.ts";

afterEach(stopClock);

const objectOf = (id: number) => env.USER_AUTHORITY.getByName(String(id));
const read = ({ access, address }: Pick<SignedIn, "access" | "address">) =>
  ask("/api/accounts/sessions", { token: access, address });

function tell(
  user: SignedIn,
  sessions: HearOfUser["sessions"],
  change: Partial<UserState> = {},
  by?: SignedIn,
) {
  const { id, username, email } = user;
  return objectOf(id).hearOfUser({
    user: { id: id as UserId, username, email, role: "user", isActive: true, version: 2, ...change },
    sessions,
    by: by === undefined ? null : { sid: by.sid as SessionId, ep: null, revokedBefore: 0 },
    reason: "role_changed",
    note: null,
    client: { ip: null, country: null, userAgent: null },
    requestId: `told-${id}-${sessions}`,
    revokedBefore: 0,
  });
}

const eventsOf = async ({ id }: SignedIn) => {
  await delivered(objectOf(id));
  return (await notable(id, 0)).map(({ type, reason, sid }) => ({ type, reason, sid }));
};

describe("news of a user", () => {
  it("distrust: access tokens are dead, sessions refresh to ones with the new role, KV and the trail hear of it", async () => {
    const user = await register();
    const other = await login(user);
    const answer = await tell(user, "distrust", { role: "admin" });
    expect(answer).toMatchObject({ kind: "heard", revoked: 0 });
    for (const one of [user, other]) {
      expect(await read(one)).toMatchObject({ status: 401, body: { code: "access_token_revoked" } });
      const refreshed = await refresh(one.refresh, { address: one.address });
      expect(refreshed).toMatchObject({ status: 200, body: { user: { role: "admin" } } });
      expect((await read({ ...one, access: refreshed.body.access_token })).status).toBe(200);
    }
    await runDurableObjectAlarm(objectOf(user.id));
    expect(await env.REVOCATIONS.get(`revoked:${user.id}`, "json")).toMatchObject({ epoch: answer.epoch });
    expect(await eventsOf(user)).toEqual([
      { type: "access_tokens_revoked", reason: "role_changed", sid: null },
    ]);
  });

  it("end_others: the asker goes on, with the same access token", async () => {
    const user = await register();
    const other = await login(user);
    expect(await tell(user, "end_others", {}, user)).toMatchObject({ revoked: 1 });
    expect((await read(user)).status).toBe(200);
    expect((await read(other)).status).toBe(401);
    expect((await refresh(other.refresh, { address: other.address })).status).toBe(401);
  });

  it("REV-05: an inactive user has no session and gets none, also from a login that read D1 before", async () => {
    const user = await register();
    await tell(user, "keep", { isActive: false });
    expect((await read(user)).status).toBe(401);
    const refused = await refresh(user.refresh, { address: user.address });
    expect(refused).toMatchObject({ status: 401, body: { code: "refresh_token_revoked" } });
    // D1 still says version 1, active: as if the login had read it before.
    const body = { username: user.username, password: "a quiet harbour 27" };
    expect((await ask("/api/accounts/login", { body, address: user.address })).status).toBe(503);
  });

  it("refreshes among which the news comes were answered before it, or are refused", async () => {
    const user = await register();
    const sessions = [user];
    for (let i = 0; i < 9; i += 1) sessions.push(await login(user));
    const refreshing = sessions.map((one) => refresh(one.refresh, { address: one.address }));
    const telling = tell(user, "end", { isActive: false });
    const answers = await Promise.all(refreshing);
    await telling;
    for (const [index, { status, body }] of answers.entries()) {
      expect([200, 401], `session ${index}`).toContain(status);
      const access = status === 200 ? body.access_token : user.access;
      expect((await read({ ...user, access })).status, "and its tokens are dead").toBe(401);
      const again = status === 200 ? body.refresh_token : (sessions[index]?.refresh ?? "");
      expect((await refresh(again, { address: user.address })).status).toBe(401);
    }
  });

  it("DUR-05: a user who never signed in is remembered for as long as a login may be under way, then forgotten", async () => {
    const id = asUserId(900_000_000 + Math.floor(performance.now() * 1000)) as UserId;
    const user = { id, username: "nobody", email: null, role: "user" as const, isActive: true, version: 1 };
    const object = objectOf(id);
    const told = { ...user, isActive: false, version: 2 };
    const hear: HearOfUser = {
      ...{ user: told, sessions: "end", by: null, reason: "user_inactive", note: null },
      ...{ client: { ip: null, country: null, userAgent: null }, requestId: "r", revokedBefore: 0 },
    };
    await object.hearOfUser(hear);
    const ids = { sid: "s".repeat(22) as SessionId, tokenId: "t".repeat(22) as TokenId };
    const open = openCommand(user, ids, { clientKey: "k", revokedBefore: 0 });
    expect(await object.openSession(open)).toEqual({ kind: "denied", reason: "stale" });
    expect(await object.openSession({ ...open, user: told })).toEqual({ kind: "denied", reason: "inactive" });
    const isUsed = () => runInDurableObject(object, (_object, { storage }) => hasTables(storage.sql));
    expect(await isUsed()).toBe(true);
    passSeconds(661);
    expect(await runDurableObjectAlarm(object)).toBe(true);
    expect(await isUsed()).toBe(false);
  });
});
