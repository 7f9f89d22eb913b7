import { expect, test } from "vitest";
import { type AuditEvent, eventsOf, messagesOf, NO_CLIENT } from "../../schema/audit-events.ts";
import { ALL_TIME, AUTOMATIC_BLOCKS, countEvents, hourOf } from "../../schema/security-hours.ts";

const AT = 1_795_000_000;
const event = (id: string, over: Partial<AuditEvent> = {}): AuditEvent => ({
  id,
  at: AT,
  type: "login_failed",
  userId: null,
  sid: null,
  reason: null,
  requestId: null,
  client: NO_CLIENT,
  details: {},
  ...over,
});
const added = (...events: AuditEvent[]) => events.map((one) => ({ event: one, addressHash: null }));

test("each event counts in its own hour and for all time, with its weight and its country", () => {
  const at = AT + 7200;
  const client = { ...NO_CLIENT, country: "SE" };
  const rows = countEvents([], added(event("a"), event("b", { at, client }), event("c", { at, count: 5 })));
  expect(rows).toEqual([
    { hour: ALL_TIME, version: 1, types: { login_failed: 7 }, countries: { SE: 1 }, addresses: "" },
    { hour: hourOf(AT), version: 1, types: { login_failed: 1 }, countries: {}, addresses: "" },
    { hour: hourOf(at), version: 1, types: { login_failed: 6 }, countries: { SE: 1 }, addresses: "" },
  ]);
});

test("a later batch adds to what was there, and moves the version by one", () => {
  const before = countEvents([], added(event("a")));
  const after = countEvents(before, added(event("b"), event("c", { type: "login_succeeded" })));
  expect(after).toMatchObject([
    { hour: ALL_TIME, version: 2, types: { login_failed: 2, login_succeeded: 1 } },
    { hour: hourOf(AT), version: 2, types: { login_failed: 2, login_succeeded: 1 } },
  ]);
});

test("what was seen of an address counts as a block if it blocked or banned it", () => {
  const seen = (id: string, type: AuditEvent["type"], reason: string) => event(id, { type, reason });
  const [allTime] = countEvents(
    [],
    added(
      seen("a", "rapid_login_attempts", "block"),
      seen("b", "password_spray", "ban"),
      seen("c", "token_brute_force", "warn"),
      seen("d", "address_blocked", "block"),
    ),
  );
  const each = { rapid_login_attempts: 1, password_spray: 1, token_brute_force: 1, address_blocked: 1 };
  expect(allTime?.types).toEqual({ ...each, [AUTOMATIC_BLOCKS]: 2 });
});

test("a name that is also a property of every object counts like any other", () => {
  const client = { ...NO_CLIENT, country: "constructor" };
  expect(countEvents([], added(event("a", { client })))[0]?.countries).toEqual({ constructor: 1 });
});

test("events fill messages in their order, none larger than 64 KB", () => {
  const events = Array.from({ length: 300 }, (_, i) => event(`${i}`, { reason: "ü".repeat(400) }));
  const messages = messagesOf(events);
  expect(messages.flatMap((message) => message.events)).toEqual(events);
  for (const message of messages) {
    expect(new TextEncoder().encode(JSON.stringify(message)).length).toBeLessThan(65_000);
  }
  expect(messages.length).toBeGreaterThan(1);
});

test.for([null, {}, { events: 1 }, { events: [{}] }, { events: [{ ...event("a"), type: "constructor" }] }])(
  "%j is no message",
  (body) => {
    expect(eventsOf(body)).toBeNull();
  },
);

test("what was packed is what is read", () => {
  const events = [event("a", { actor: "operator", count: 3, client: { ...NO_CLIENT, city: "Lund" } })];
  expect(eventsOf(JSON.parse(JSON.stringify(messagesOf(events)[0])))).toEqual(events);
});
