/** What Django had handed out is not kept longer than it is of use. */
import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, it } from "vitest";
import { scheduled } from "../../worker/scheduled.ts";
import { askLegacy, beginAnew, DB, exchange, sessions } from "../support/legacy.ts";

beforeEach(() => beginAnew("leftovers"));

const count = async (table: string, condition = "true") =>
  (await DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${condition}`).first<{ n: number }>())?.n;
const daily = () =>
  scheduled(createScheduledController({ scheduledTime: new Date(), cron: "0 0 * * *" }), { ...env, DB });
const now = () => Math.floor(Date.now() / 1000);

it("the daily run deletes what has expired, more than one batch of it, and nothing else", async () => {
  await DB.prepare("UPDATE django_sessions SET expires_at = ? WHERE user_id = 40122")
    .bind(now() - 1)
    .run();
  await DB.prepare(
    `INSERT INTO django_tokens (jti, expires_at, blacklisted)
     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2100) SELECT 'old-' || i, 1, 1 FROM n`,
  ).run();
  const isAlive = `expires_at > ${now()}`;
  const alive = [await count("django_sessions", isAlive), await count("django_tokens", isAlive)];
  await daily();
  expect([await count("django_sessions"), await count("django_tokens")]).toEqual(alive);
  expect(alive.every((n) => n !== undefined && n > 0)).toBe(true);
});

it("the end of the move deletes all of it", async () => {
  expect((await exchange(sessions[0]?.session_key ?? "")).status).toBe(200);
  const ended = await askLegacy("/api/admin/migration/finish", { method: "POST", token: env.ADMIN_TOKEN });
  expect(ended.body.sessions).toEqual({ left: 0, exchanged: 1 });
  expect([await count("django_sessions"), await count("django_tokens")]).toEqual([0, 0]);
});
