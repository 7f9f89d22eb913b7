/** The audit trail and its metrics, as admins and owners read them. */
import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type AuditEvent, type AuditMessage, messagesOf, NO_CLIENT } from "../../schema/audit-events.ts";
import { queue } from "../../worker/queue.ts";
import { asOperator } from "../support/admin.ts";
import { delivered, trail } from "../support/audit.ts";
import {
  ask,
  login,
  PASSWORD,
  refresh,
  register,
  type SignedIn,
  unique,
  uniqueAddress,
} from "../support/client.ts";
import { passSeconds, stopClock } from "../support/clock.ts";
import { askWith, down } from "../support/faults.ts";
import { askUnder, NO_ABUSE } from "../support/settings.ts";

afterEach(stopClock);

const EVENTS = "/api/admin/security/events";
const METRICS = "/api/admin/security/metrics";

function eventAt(at: number, over: Partial<AuditEvent> = {}): AuditEvent {
  const about = { userId: null, sid: null, reason: null, requestId: null, client: NO_CLIENT, details: {} };
  return { id: unique("event"), at, type: "login_failed", ...about, ...over };
}

/** Hands messages to the consumer as the Queue does; answers the ids that it wants again. */
async function consume(bodies: unknown[], overrides: Record<string, unknown> = {}): Promise<string[]> {
  const messages = bodies.map((body, i) => ({ id: `${i}`, timestamp: Date.now(), attempts: 1, body }));
  const batch = createMessageBatch("audit", messages);
  const again: string[] = [];
  for (const message of batch.messages)
    vi.spyOn(message, "retry").mockImplementation(() => void again.push(message.id));
  await queue(batch, { ...env, ...overrides });
  return again;
}

/** How D1 finds what this request of the operator reads. */
async function planOf(path: string): Promise<string> {
  const plans: string[] = [];
  const prepare = (sql: string) => {
    if (!sql.includes("FROM audit_events")) return env.DB.prepare(sql);
    const explained = (bound: unknown[]) => env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`).bind(...bound);
    const all = async (bound: unknown[]) => {
      const { results } = await explained(bound).all<{ detail: string }>();
      plans.push(...results.map(({ detail }) => detail));
      return { results: [] };
    };
    return { bind: (...bound: unknown[]) => ({ all: () => all(bound) }) };
  };
  const headers = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
  expect((await askWith({ DB: { prepare } }, path, { headers })).status).toBe(200);
  return plans.join();
}

describe("the Queue's consumer", () => {
  it("10,000 events, each delivered twice and in pieces, arrive complete and once, and are counted once", async () => {
    const at = 2_500_000_000;
    const events = Array.from({ length: 10_000 }, (_, i) =>
      eventAt(at + (i % 7200), { client: { ...NO_CLIENT, ip: `10.9.${i % 200}.1`, country: "NZ" } }),
    );
    const messages = messagesOf(events);
    expect(await consume(messages.slice(0, 7))).toEqual([]);
    expect(await consume(messages.toReversed())).toEqual([]);
    expect(await consume(messages)).toEqual([]);
    expect(await trail("at BETWEEN ? AND ?", [at, at + 7199], 10_000)).toHaveLength(10_000);
    const { body } = await asOperator(`${METRICS}?from=${at}&to=${at + 7200}`);
    expect(body.totals.login_failed).toBe(10_000);
    expect(body.top_countries).toEqual([{ country: "NZ", events: 10_000 }]);
    expect(Math.abs(body.unique_addresses.estimate - 200)).toBeLessThanOrEqual(10);
  });

  it("stores nothing while D1 is down, and asks for all of it again", async () => {
    const event = eventAt(2_510_000_000);
    expect(await consume([{ events: [event] }], { DB: down<D1Database>() })).toEqual(["0"]);
    expect(await consume([{ events: [event] }])).toEqual([]);
    expect(await trail("id = ?", [event.id], 1)).toHaveLength(1);
  });

  it("a message that it cannot read waits by itself and holds up no other", async () => {
    const event = eventAt(2_510_000_001);
    expect(await consume([{ events: "?" }, { events: [event] }])).toEqual(["0"]);
    expect(await trail("id = ?", [event.id], 1)).toHaveLength(1);
  });

  it("LOG-02: half a character, as a text cut short ends in, spoils neither its row nor its batch", async () => {
    const half = `${"x".repeat(511)}\ud83d`;
    const [odd, even] = [
      eventAt(2_510_000_002, { reason: half, client: { ...NO_CLIENT, userAgent: half }, details: { half } }),
      eventAt(2_510_000_003),
    ];
    expect(await consume([{ events: [odd, even] }])).toEqual([]);
    const rows = await trail("id IN (?, ?)", [odd.id, even.id], 2);
    const whole = half.replace("\ud83d", "\ufffd");
    expect(rows).toMatchObject([
      { reason: whole, user_agent: whole, details: JSON.stringify({ half: whole }) },
      {},
    ]);
  });

  it("an event that stands for many says for how many", async () => {
    const [many, one] = [eventAt(2_510_000_004, { count: 7, details: { a: 1 } }), eventAt(2_510_000_005)];
    await consume([{ events: [many, one] }]);
    expect(await trail("id IN (?, ?)", [many.id, one.id], 2)).toMatchObject([
      { details: JSON.stringify({ a: 1, count: 7 }) },
      { details: "{}" },
    ]);
  });

  it("two consumers of the same events at once count them once: one of them fails whole and tries again", async () => {
    const at = 2_520_000_000;
    const events = Array.from({ length: 50 }, () => eventAt(at));
    for (let again = ["0"]; again.length > 0; ) {
      again = (await Promise.all([consume([{ events }]), consume([{ events }])])).flat();
    }
    const { body } = await asOperator(`${METRICS}?from=${at}&to=${at}`);
    expect(body.totals.login_failed).toBe(50);
  });
});

describe("what a scripted run of traffic did is what the metrics say", () => {
  it("AUD: logins, failures, refreshes, reuse, lockouts, limited requests, distinct addresses", async () => {
    passSeconds(40 * 86_400);
    const from = Math.floor(Date.now() / 1000);
    const user = await register();
    const other = await login(user);
    const askCalmly = askUnder(NO_ABUSE); // so that the limit is met, and not a block
    const attempt = (username: string, password = "wrong") =>
      askCalmly("/api/accounts/login", { body: { username, password }, address: user.address });
    const nobody = unique("nobody");
    expect((await attempt(nobody)).status).toBe(401);
    expect((await attempt(user.username)).status).toBe(401);
    const next = await refresh(user.refresh, { address: user.address });
    expect((await refresh("forged", { address: user.address })).status).toBe(401);
    passSeconds(20);
    expect((await refresh(user.refresh, { address: uniqueAddress() })).body.code).toBe(
      "refresh_token_reused",
    );
    expect(next.status).toBe(200);
    for (let i = 0; i < 8; i += 1) await attempt(unique("nobody"));
    const limited = await attempt(nobody);
    expect(limited.status).toBe(429);
    await ask("/api/accounts/logout", { method: "POST", token: other.access, address: user.address });

    await delivered(env.USER_AUTHORITY.getByName(String(user.id)));
    await trail("user_id = ? AND type = 'logged_out'", [user.id], 1);
    await trail("at >= ? AND type = 'request_limited' AND ip = ?", [from, user.address], 1);
    const { body } = await asOperator(`${METRICS}?from=${from}&to=${from + 30}`);
    expect(body.totals).toMatchObject({
      registrations: 1,
      login_succeeded: 1,
      login_failed: 9,
      login_attempts: 10,
      refreshes: 1,
      refreshes_denied: 2,
      reuse_detected: 1,
      lockouts: 0,
      limited_requests: 2,
      suspicious: 1,
    });
    expect(body.success_rate).toBe(0.1);
    expect(body.unique_addresses.estimate).toBe(2);
    expect(body.risk_levels.high).toBe(1);
    expect(
      body.series.reduce((sum: number, one: { login_failed: number }) => sum + one.login_failed, 0),
    ).toBe(9);

    const failed = await trail("type = 'login_failed' AND at >= ?", [from], 9);
    expect(failed.map(({ reason }) => reason)).toContain("wrong_password");
    expect(JSON.stringify(failed), "a name that nobody has is only told as a keyed hash").not.toContain(
      nobody,
    );
    const report = await asOperator("/api/admin/security/report?days=1", {
      headers: { Accept: "text/plain" },
    });
    expect(report.headers.get("Content-Type")).toBe("text/plain; charset=utf-8");
    expect(report.text).toContain("| login failed | 9 |");
  });
});

it("blocks of addresses are counted, whether what was seen or an admin blocked them", async () => {
  passSeconds(80 * 86_400);
  const from = Math.floor(Date.now() / 1000);
  const [address, other] = [uniqueAddress(), uniqueAddress()];
  const counter = async () => {
    const { text } = await asOperator("/metrics");
    return Number(/^session_authority_blocks_total (\d+)$/m.exec(text)?.[1]);
  };
  const before = await counter();
  for (let i = 0; i < 5; i += 1)
    await ask("/api/accounts/login", { body: { username: unique("nobody"), password: "x" }, address });
  await asOperator("/api/admin/security/blocks", { body: { ip: other, seconds: 60, reason: "test" } });
  const isOf = "json_extract(details, '$.address') IN (?, ?)";
  expect((await trail(isOf, [address, other], 2)).map(({ type }) => type)).toEqual([
    "address_blocked",
    "rapid_login_attempts",
  ]);
  await trail("type = 'login_failed' AND ip = ?", [address], 5);
  const { body } = await asOperator(`${METRICS}?from=${from}&to=${from + 30}`);
  expect(body.totals.blocks).toBe(2);
  expect(body.event_types).toEqual({ address_blocked: 1, login_failed: 5, rapid_login_attempts: 1 });
  const report = await asOperator("/api/admin/security/report?days=1");
  expect(report.text).toContain("| blocks | 2 |");
  expect((await counter()) - before).toBeGreaterThanOrEqual(2);
});

describe("reading the trail", () => {
  const at = 2_600_000_000;

  it("newest first, in pages that stay in step while it grows; filters hold", async () => {
    const events = Array.from({ length: 25 }, (_, i) =>
      eventAt(at + (i >> 1), i % 5 === 0 ? { type: "account_locked", userId: 4_000_000 } : {}),
    );
    await consume(messagesOf(events));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await asOperator(
        `${EVENTS}?from=${at}&to=${at + 100}&limit=10${cursor === null ? "" : `&cursor=${cursor}`}`,
      );
      expect(page.status).toBe(200);
      seen.push(...page.body.events.map(({ id }: { id: string }) => id));
      await consume([{ events: [eventAt(at + 100)] }]);
      cursor = page.body.next_cursor;
    } while (cursor !== null);
    const order = (one: AuditEvent, other: AuditEvent) => other.at - one.at || (other.id < one.id ? -1 : 1);
    expect(seen).toEqual(events.sort(order).map(({ id }) => id));
    const high = await asOperator(`${EVENTS}?from=${at}&to=${at + 50}&risk_level=high`);
    expect(high.body.events).toHaveLength(5);
    const byType = await asOperator(
      `${EVENTS}?from=${at}&to=${at + 50}&event_type=account_locked&user_id=4000000`,
    );
    expect(byType.body.events).toEqual(high.body.events);
    const day = await asOperator(`${EVENTS}?from=2052-05-22T14:13:20Z&to=2052-05-22T14:13:20.000Z`);
    expect(day.body.events).toHaveLength(2);
  });

  it.for([
    "from=yesterday",
    "to=1e9",
    "from=garbage 5",
    "from=28 nov",
    "from=-1",
    "from=1.5",
    "from=2026",
    "from=20261124",
    "from=2026-02-30",
    "from=2026-11-24T12:00:00",
    "from=1969-12-31",
    "risk_level=grave",
    "event_type=constructor",
    "user_id=0",
    "limit=0",
    "cursor=x",
  ])("%s is 400, and names the field", async (query) => {
    const isMoment = query.startsWith("from") || query.startsWith("to");
    for (const path of isMoment ? [EVENTS, `${EVENTS}/export`, METRICS] : [EVENTS]) {
      const answer = await asOperator(`${path}?${query}`);
      expect(answer.status, path).toBe(400);
      expect(answer.body.details).toMatchObject([{ field: query.split("=")[0] }]);
    }
  });

  it("a moment is a date, date and time with any zone, or seconds since 1970", async () => {
    const events = ["2052-05-23T23:59:59Z", "2052-05-24T00:00:00Z", "2052-05-24T10:00:00Z"].map((iso) =>
      eventAt(Date.parse(iso) / 1000),
    );
    await consume(messagesOf(events));
    const ids = events.map(({ id }) => id).toReversed();
    for (const from of [
      "2052-05-24",
      "2052-05-24T00:00:00Z",
      "2052-05-24T02:00:00.000%2B02:00",
      "2600121600",
    ]) {
      const { body } = await asOperator(`${EVENTS}?from=${from}&to=2052-05-24T10:00:00Z`);
      expect(
        body.events.map(({ id }: { id: string }) => id),
        from,
      ).toEqual(ids.slice(0, 2));
    }
  });

  it("one's own events are one's own, whatever is asked for, and without the words of admins", async () => {
    const [mine, theirs] = [await register(), await register()];
    await trail("user_id IN (?, ?)", [mine.id, theirs.id], 2);
    const answer = await ask(`/api/accounts/security-events?user_id=${theirs.id}`, {
      token: mine.access,
      address: mine.address,
    });
    expect(answer.body.events).toMatchObject([
      { type: "user_registered", user_id: mine.id, ip: mine.address, session_id: mine.sid },
    ]);
    expect(answer.body.events[0]).not.toHaveProperty("details");
    expect(answer.body.events[0]).not.toHaveProperty("actor");
    expect((await ask("/api/accounts/security-events")).status).toBe(401);
    expect((await ask(EVENTS, { token: mine.access, address: mine.address })).status).toBe(403);
  });

  it("from where an admin acted is not the user's to see, in the list as in the export", async () => {
    const user = await register();
    const client = { ip: "203.0.113.9", country: "NZ", city: "Nelson", userAgent: "console", colo: "AKL" };
    const from = (actor?: string) =>
      eventAt(2_520_000_001, { userId: user.id, client, ...(actor === undefined ? {} : { actor }) });
    const [others, own] = [
      ["operator", "user:1", `user:${user.id}0`].map(from),
      [undefined, "system", `user:${user.id}`].map(from),
    ];
    await consume([{ events: [...others, ...own] }]);
    const asked = { token: user.access, address: user.address };
    const listed = (await ask("/api/accounts/security-events", asked)).body.events;
    const exported = (await ask("/api/accounts/export", asked)).body.security_events;
    const { ip, country, city, userAgent: user_agent } = client;
    for (const { id } of others) {
      const nothing = { ip: null, country: null, user_agent: null };
      expect(listed).toContainEqual(expect.objectContaining({ id, ...nothing, city: null }));
      expect(exported).toContainEqual(expect.objectContaining({ id, ...nothing }));
    }
    for (const { id } of own) {
      expect(listed).toContainEqual(expect.objectContaining({ id, ip, country, city, user_agent }));
      expect(exported).toContainEqual(expect.objectContaining({ id, ip, country, user_agent }));
    }
    expect(exported[0]).not.toHaveProperty("actor");
  });

  it("LOG-02: an export is one line an event, whatever a client calls itself", async () => {
    const evil = 'curl\r\n{"forged":true}\u2028\u0085\u001b[31m\u202e';
    const from = 2_700_000_000;
    const events = Array.from({ length: 1100 }, (_, i) =>
      eventAt(from + i, { client: { ...NO_CLIENT, userAgent: evil } }),
    );
    await consume(messagesOf(events));
    const { text, headers } = await asOperator(`${EVENTS}/export?from=${from}&to=${from + 2000}`);
    expect(headers.get("Content-Type")).toBe("application/x-ndjson");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/);
    const lines = text.trimEnd().split("\n");
    expect(lines).toHaveLength(1100);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ id: events.at(-1)?.id, user_agent: evil });
  });

  it("with D1 down it is 503; with the Queue down a login works, and is told later", async () => {
    const headers = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };
    expect((await askWith({ DB: down<D1Database>() }, EVENTS, { headers })).status).toBe(503);
    const user = await register();
    const body = JSON.stringify({ username: user.username, password: PASSWORD });
    const login = { method: "POST", body, headers: { "CF-Connecting-IP": uniqueAddress() } };
    expect((await askWith({ AUDIT_QUEUE: down<Queue>() }, "/api/accounts/login", login)).status).toBe(200);
    await register();
    expect(await trail("user_id = ? AND type = 'login_succeeded'", [user.id], 1)).toHaveLength(1);
  });
});

it("what many requests tell at a time goes as a few messages, and each event once", async () => {
  const users = [];
  for (let i = 0; i < 10; i += 1) users.push(await register());
  const first = await register();
  const messages: AuditMessage[] = [];
  const AUDIT_QUEUE = { send: async (message: AuditMessage) => void messages.push(message) };
  const leave = ({ access, address }: SignedIn) => {
    const headers = { Authorization: `Bearer ${access}`, "CF-Connecting-IP": address };
    return askWith({ AUDIT_QUEUE }, "/api/accounts/logout", { method: "POST", body: "{}", headers });
  };
  // Whoever still gathers for the registrations takes what is told along: until nobody does.
  for (let token = first.refresh; messages.length === 0; ) {
    const body = JSON.stringify({ refresh_token: token });
    const headers = { "CF-Connecting-IP": uniqueAddress() };
    const answer = await askWith({ AUDIT_QUEUE }, "/api/accounts/token/refresh", {
      method: "POST",
      body,
      headers,
    });
    token = answer.body.refresh_token;
  }
  messages.length = 0;
  const answers = await Promise.all(users.map(leave));
  expect(answers.map(({ status }) => status)).toEqual(users.map(() => 200));
  const told = messages.flatMap(({ events }) => events).filter(({ type }) => type === "logged_out");
  expect(told.map(({ userId }) => userId).sort()).toEqual(users.map(({ id }) => id).sort());
  expect(messages.length).toBeLessThan(users.length);
});

describe("what leads to the events that are asked for", () => {
  /** As D1 counts by itself now and then: a user has many events, of which few are notable. */
  beforeAll(async () => {
    await env.DB.prepare(
      `INSERT INTO audit_events (id, at, type, risk, user_id)
       WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
       SELECT ?1 || i, 2800000000 + i, iif(i % 1000, 'login_failed', 'account_locked'), iif(i % 1000, 'low', 'high'),
         4000001 FROM n`,
    )
      .bind(unique("fill"))
      .run();
    await env.DB.prepare("ANALYZE").run();
  });

  it.for([
    ["risk_level=high", "audit_events_notable"],
    ["risk_level=high&event_type=account_locked", "audit_events_type"],
    ["event_type=viewed_by_admin", "audit_events_type"],
    ["event_type=login_succeeded&risk_level=medium", "audit_events_notable"],
    ["user_id=7", "audit_events_user"],
    ["user_id=7&risk_level=high", "audit_events_user"],
    ["user_id=7&event_type=viewed_by_admin", "audit_events_user"],
    ["", "PRIMARY KEY"],
  ] as const)("%s is led by %s, in a range and on its later pages, too", async ([filter, index]) => {
    const from = 2_600_000_000;
    const cursor = "MjYwMDAwMDAxMCB4"; // "2600000010 x"
    for (const range of [
      "",
      `&from=${from}`,
      `&from=${from}&to=${from + 9}`,
      `&from=${from}&cursor=${cursor}`,
    ]) {
      const plan = await planOf(`${EVENTS}?${filter}${range}`);
      if (index !== "PRIMARY KEY" || range !== "") expect(plan, filter + range).toContain(` ${index}`);
      expect(plan, filter + range).not.toContain("TEMP B-TREE");
    }
  });
});

describe("GET /metrics", () => {
  it("is for the operator alone, and only grows", async () => {
    expect((await ask("/metrics")).headers.get("WWW-Authenticate")).toContain("Bearer");
    const user = await register();
    expect((await ask("/metrics", { token: user.access })).status).toBe(401);
    const total = async () => {
      const { text, headers } = await asOperator("/metrics");
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect(headers.get("Content-Type")).toBe("text/plain; version=0.0.4; charset=utf-8");
      return Number(
        /^session_authority_events_total\{type="user_registered",risk="low"\} (\d+)$/m.exec(text)?.[1],
      );
    };
    await trail("user_id = ?", [user.id], 1);
    const before = await total();
    expect(before).toBeGreaterThan(0);
    const again = await register();
    await trail("user_id = ?", [again.id], 1);
    expect(await total()).toBeGreaterThan(before);
  });
});
