/** Blocks in an admin's hands (contract §6), in D1's list, and in the edge's memory. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { NO_CLIENT } from "../../schema/audit-events.ts";
import { purgeBlocks } from "../../worker/blocks.ts";
import { delivered, trail } from "../support/audit.ts";
import { ask, register, unique, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { unreachable } from "../support/faults.ts";
import { askUnder } from "../support/settings.ts";

afterEach(stopClock);

const operator = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
const BLOCKS = "/api/admin/security/blocks";
const blocked = { status: 403, body: { code: "address_blocked", error: "Access temporarily blocked" } };
const listed = async (address: string) => {
  const { body } = await ask(BLOCKS, { headers: operator, address: uniqueAddress() });
  return body.blocks.find((one: { ip: string }) => one.ip === address);
};
const eventsOf = (address: string, count: number) =>
  trail("json_extract(details, '$.address') = ?", [address], count);

describe("an admin's blocks", () => {
  const impose = (ip: string, extra: object = {}) =>
    ask(BLOCKS, {
      body: { ip, seconds: 60, reason: "a test", ...extra },
      headers: operator,
      address: uniqueAddress(),
    });
  const lift = (ip: string, address = uniqueAddress()) =>
    ask(`${BLOCKS}/${encodeURIComponent(ip)}`, { method: "DELETE", headers: operator, address });

  it("are listed, hold for everything, and are lifted at once, also from the blocked address", async () => {
    const address = uniqueAddress();
    expect(await impose(address)).toMatchObject({ status: 201, body: { ip: address, actor: "operator" } });
    expect(await listed(address)).toMatchObject({ cause: "admin", reason: "a test", scope: "everything" });
    expect(await ask("/api/accounts/user", { address })).toMatchObject(blocked);
    expect(await ask("/api/nowhere", { address })).toMatchObject(blocked);
    expect((await ask(BLOCKS, { headers: operator, address })).status).toBe(200);
    expect((await lift(address, address)).status).toBe(204);
    expect((await ask("/api/accounts/user", { address })).status).toBe(401);
    expect(await listed(address)).toBeUndefined();
    expect((await lift(address)).status).toBe(404);
    const types = (await eventsOf(address, 2)).map(({ type }) => type);
    expect(types.sort()).toEqual(["address_blocked", "address_unblocked"]);
  });

  it("RL-02: of one IPv6 address hold for its /64", async () => {
    const network = `2001:db8:${uniqueAddress().split(".").slice(2).join(":")}`;
    expect((await impose(`${network}::1`)).body.ip).toBe(`${network}::/64`);
    expect(await ask("/api/accounts/user", { address: `${network}:ffff::2` })).toMatchObject(blocked);
    expect((await lift(`${network}::/64`)).status).toBe(204);
  });

  it("wrong input is a 400 that says which, and only admins may", async () => {
    for (const extra of [
      { seconds: 0 },
      { seconds: 1.5 },
      { seconds: "60" },
      { reason: "" },
      { ip: "nowhere" },
    ]) {
      expect((await impose(uniqueAddress(), extra)).status, JSON.stringify(extra)).toBe(400);
    }
    const user = await register();
    expect((await ask(BLOCKS, { token: user.access, address: user.address })).status).toBe(403);
    expect((await ask(BLOCKS, { address: user.address })).status).toBe(401);
  });

  it("LCK-08: survive eviction, end by alarm, and leave nothing in the object", async () => {
    const address = uniqueAddress();
    const guard = env.IP_GUARD.getByName(address);
    await impose(address);
    await evictDurableObject(guard);
    expect(await ask("/api/accounts/user", { address })).toMatchObject(blocked);
    passSeconds(61);
    expect((await ask("/api/accounts/user", { address })).status).toBe(401);
    passSeconds(120);
    await delivered(guard);
    await runDurableObjectAlarm(guard);
    const tables = await runInDurableObject(guard, (_object, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name IN ('abuse', 'limits')").toArray(),
    );
    expect(tables).toEqual([]);
  });
});

it("a block is known for 30 s without asking: lifted elsewhere, it is felt here no longer than that", async () => {
  const address = uniqueAddress();
  await ask(BLOCKS, { body: { ip: address, seconds: 600, reason: "a test" }, headers: operator });
  expect(await ask("/api/accounts/user", { address })).toMatchObject(blocked);
  const guard = env.IP_GUARD.getByName(address);
  const command = { address, actor: "operator", client: NO_CLIENT, requestId: unique("request") };
  expect(await guard.lift(command)).toBe(true);
  passSeconds(29);
  expect(await askUnder({ IP_GUARD: unreachable() })("/api/accounts/user", { address })).toMatchObject(
    blocked,
  );
  passSeconds(30);
  expect((await ask("/api/accounts/user", { address })).status).toBe(401);
});

it("what ended a day ago leaves the list in batches, and nothing else does", async () => {
  const now = 4_000_000_000; // later than any other test's block
  const add = env.DB.prepare(
    `INSERT INTO address_blocks (address, scope, cause, reason, actor, created_at, expires_at, revision)
     VALUES (?, 'guesses', 'rapid_login', NULL, NULL, 1, ?, 1)`,
  );
  const ended = Array.from({ length: 1_100 }, (_, i) => add.bind(`purged-${i}`, now - 86_400));
  await env.DB.batch([...ended, add.bind("kept-1", now - 86_399), add.bind("kept-2", now + 60)]);
  await purgeBlocks(env.DB, now);
  const { results } = await env.DB.prepare("SELECT address FROM address_blocks ORDER BY address").all();
  expect(results).toEqual([{ address: "kept-1" }, { address: "kept-2" }]);
});
