/** How the audit trail forgets: by the daily run, some at a time, until what is old is gone. */
import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { scheduled } from "../../worker/scheduled.ts";
import { unique } from "../support/client.ts";
import { down } from "../support/faults.ts";

const DAY = 86_400;
/** Before every event of another test, by far. */
const NOW = 200 * DAY;
const OLD = NOW - 90 * DAY;
const MANY = 4500;

/** So many events from `at` on, one a second backwards. */
async function fill(at: number, count: number): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO audit_events (id, at, type, risk)
     WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?2 - 1)
     SELECT ?3 || i, ?1 - i, 'login_failed', 'low' FROM n`,
  )
    .bind(at, count, unique("old"))
    .run();
}

async function count(from: number, to: number): Promise<number> {
  const query = "SELECT count(*) AS n FROM audit_events WHERE at BETWEEN ? AND ?";
  return (await env.DB.prepare(query).bind(from, to).first<{ n: number }>())?.n ?? 0;
}

/** D1 of which the deletion of events is watched: `onDelete` may throw, or say how many rows went. */
function watched(onDelete: () => number | null): D1Database {
  return new Proxy(env.DB, {
    get(db, name) {
      if (name !== "prepare") return Reflect.get(db, name).bind(db);
      return (sql: string) => {
        if (!sql.startsWith("DELETE FROM audit_events")) return db.prepare(sql);
        const changes = onDelete();
        if (changes === null) return db.prepare(sql);
        return { bind: () => ({ run: async () => ({ meta: { changes } }) }) };
      };
    },
  });
}

async function daily(at: number, overrides: Record<string, unknown> = {}, cron = "0 0 * * *") {
  const lines: string[] = [];
  const spy = vi.spyOn(console, "log").mockImplementation((line) => void lines.push(String(line)));
  const controller = createScheduledController({ scheduledTime: new Date(at * 1000), cron });
  const fault = await scheduled(controller, { ...env, ...overrides }).then(
    () => null,
    (error: unknown) => error,
  );
  spy.mockRestore();
  return { events: lines.map((line) => JSON.parse(line).event), fault };
}

describe("the daily run", () => {
  it("forgets exactly what is older than AUDIT_RETENTION_DAYS, however many batches that takes", async () => {
    await fill(OLD - 1, MANY);
    await fill(OLD + 9, 10);
    expect(await daily(NOW)).toEqual({ events: [], fault: null });
    expect(await count(0, OLD - 1)).toBe(0);
    expect(await count(OLD, OLD + 9)).toBe(10);
    await daily(NOW, { AUDIT_RETENTION_DAYS: "89" });
    expect(await count(OLD, OLD + 9)).toBe(0);
  });

  it("that is cut off has done what it did, the oldest first, and the next one goes on", async () => {
    await fill(OLD - 1, MANY);
    let deletions = 0;
    const DB = watched(() => {
      deletions += 1;
      if (deletions > 1) throw new Error("the isolate was taken away");
      return null;
    });
    expect((await daily(NOW, { DB })).fault).toMatchObject({ message: "the isolate was taken away" });
    const left = await count(0, OLD - 1);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(MANY);
    expect(await count(OLD - left, OLD - 1), "the newest are left").toBe(left);
    expect((await daily(NOW + DAY)).fault).toBeNull();
    expect(await count(0, OLD - 1)).toBe(0);
  });

  it("deletes a bounded number, and says when that was not enough", async () => {
    let deletions = 0;
    const DB = watched(() => {
      deletions += 1;
      return 2000;
    });
    expect(await daily(NOW, { DB })).toEqual({ events: ["retention_behind"], fault: null });
    expect(deletions).toBe(400);
  });

  it("forgets counted hours after 400 days, and never what was counted for all time", async () => {
    const hours = [0, 3600, 100 * DAY - 3600, 100 * DAY];
    for (const hour of hours) {
      await env.DB.prepare("INSERT OR IGNORE INTO security_hours VALUES (?, 1, '{}', '{}', '')")
        .bind(hour)
        .run();
    }
    await daily(500 * DAY);
    const { results } = await env.DB.prepare("SELECT hour FROM security_hours WHERE hour <= ? ORDER BY hour")
      .bind(100 * DAY)
      .all<{ hour: number }>();
    expect(results.map(({ hour }) => hour)).toEqual([0, 100 * DAY]);
  });

  it("forgets also while something else of the same run fails", async () => {
    await fill(OLD - 1, 10);
    const { meta } = await env.DB.prepare(
      `INSERT INTO users (username, username_key, password_hash, created_at) VALUES (?1, ?1, '!', 1)`,
    )
      .bind(unique("halfway"))
      .run();
    await env.DB.prepare("INSERT INTO deletions (user_id, asked_at) VALUES (?, 1)")
      .bind(meta.last_row_id)
      .run();
    const everything = (overrides = {}) => daily(NOW, overrides, "by hand");
    const { fault } = await everything({ USER_AUTHORITY: { getByName: () => down() } });
    expect(fault).toMatchObject({ message: "a deletion could not be finished" });
    expect(await count(0, OLD - 1)).toBe(0);
    expect((await everything()).fault).toBeNull();
  });
});
