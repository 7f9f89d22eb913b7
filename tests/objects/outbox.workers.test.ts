/** An event that an object decided reaches the trail once, whatever dies between the decision and D1. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import type { AuditMessage } from "../../schema/audit-events.ts";
import { asOperator } from "../support/admin.ts";
import { delivered, trail } from "../support/audit.ts";
import { ask, register, type SignedIn, unique, uniqueAddress } from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { down, rebind } from "../support/faults.ts";

afterEach(stopClock);

/** A Queue that notes the ids that it is given, and then does as it is told. */
function queueThat(does: "delivers" | "loses" | "delivers, and its answer is lost") {
  const sent: string[] = [];
  const send = async (message: AuditMessage) => {
    sent.push(...message.events.map(({ id }) => id));
    if (does !== "loses") await env.AUDIT_QUEUE.send(message, { contentType: "json" });
    if (does === "delivers, and its answer is lost") throw new Error("the network is down");
  };
  return { sent, AUDIT_QUEUE: { send } };
}

const objectOf = (user: SignedIn) => env.USER_AUTHORITY.getByName(String(user.id));
const left = (stub: DurableObjectStub) =>
  runInDurableObject(stub, (_object, { storage }) =>
    storage.sql
      .exec<{ payload: string }>("SELECT payload FROM outbox WHERE kind = 'audit' ORDER BY id")
      .toArray(),
  ).then((rows) => rows.map(({ payload }) => JSON.parse(payload).id as string));

/** A user whose sessions were all ended, which their object must tell. */
async function signedOut(bindings: Record<string, unknown>): Promise<{ user: SignedIn; id: string }> {
  const user = await register();
  await rebind(objectOf(user), bindings);
  await ask("/api/accounts/logout", { method: "POST", token: user.access, address: user.address });
  const [id] = await left(objectOf(user));
  return { user, id: id ?? "none" };
}

/** How often the trail has the event, and how often the metrics counted it. */
async function arrived(user: SignedIn, id: string): Promise<number> {
  await delivered(objectOf(user));
  return (await trail("id = ?", [id], 1)).length;
}

describe("AUD: an event of an object", () => {
  it("stays while the Queue refuses it, and arrives when it does not", async () => {
    const { user, id } = await signedOut({ AUDIT_QUEUE: down() });
    await runDurableObjectAlarm(objectOf(user));
    await runDurableObjectAlarm(objectOf(user));
    expect(await left(objectOf(user))).toEqual([id]);
    await rebind(objectOf(user));
    expect(await arrived(user, id)).toBe(1);
  });

  it("survives the eviction of its object between decision and delivery", async () => {
    const { user, id } = await signedOut({ AUDIT_QUEUE: down() });
    await evictDurableObject(objectOf(user));
    expect(await left(objectOf(user))).toEqual([id]);
    expect(await arrived(user, id)).toBe(1);
  });

  it("that was sent, and whose object died before it was seen in the trail, is sent again and is one row", async () => {
    const first = queueThat("delivers");
    const { user, id } = await signedOut(first);
    await runDurableObjectAlarm(objectOf(user));
    expect(first.sent).toEqual([id]);
    await evictDurableObject(objectOf(user));
    expect(await left(objectOf(user)), "sent is not yet arrived").toEqual([id]);
    const second = queueThat("delivers");
    await rebind(objectOf(user), { ...second, DB: down() });
    await runDurableObjectAlarm(objectOf(user));
    expect(second.sent).toEqual([id]);
    await rebind(objectOf(user));
    expect(await arrived(user, id)).toBe(1);
  });

  it("that the Queue took while its answer was lost is sent again and is one row", async () => {
    const queue = queueThat("delivers, and its answer is lost");
    const { user, id } = await signedOut(queue);
    await runDurableObjectAlarm(objectOf(user));
    await runDurableObjectAlarm(objectOf(user));
    expect(queue.sent).toEqual([id, id]);
    await rebind(objectOf(user));
    expect(await arrived(user, id)).toBe(1);
  });

  it("that the Queue took and lost is sent again after a minute, and not before", async () => {
    const queue = queueThat("loses");
    const { user, id } = await signedOut(queue);
    await runDurableObjectAlarm(objectOf(user));
    await runDurableObjectAlarm(objectOf(user));
    expect(queue.sent).toEqual([id]);
    passSeconds(61);
    await rebind(objectOf(user));
    expect(await arrived(user, id)).toBe(1);
  });

  it("waits while D1 cannot be asked whether it arrived, and is forgotten when it can", async () => {
    const queue = queueThat("delivers");
    const { user, id } = await signedOut({ ...queue, DB: down() });
    await runDurableObjectAlarm(objectOf(user));
    expect(await trail("id = ?", [id], 1)).toHaveLength(1);
    await runDurableObjectAlarm(objectOf(user));
    expect(await left(objectOf(user))).toEqual([id]);
    expect(queue.sent).toEqual([id]);
    await rebind(objectOf(user));
    await delivered(objectOf(user));
    expect(await left(objectOf(user))).toEqual([]);
  });
});

it("AUD: of more events than one delivery takes, each arrives once, with an eviction in the midst of it", async () => {
  const guard = env.IP_GUARD.getByName(uniqueAddress());
  const address = guard.name ?? "";
  const reason = unique("reason");
  for (let i = 0; i < 60; i += 1) {
    const block = { ip: address, seconds: 60 + i, reason: `${reason} ${i}` };
    expect((await asOperator("/api/admin/security/blocks", { body: block })).status).toBe(201);
  }
  const expected = await left(guard);
  await runDurableObjectAlarm(guard);
  await evictDurableObject(guard);
  await delivered(guard);
  const rows = await trail("type = 'address_blocked' AND reason LIKE ?", [`${reason} %`], 60);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(60);
  expect(rows).toHaveLength(60);
  expect(rows.map(({ id }) => id)).toEqual(expect.arrayContaining(expected));
});
