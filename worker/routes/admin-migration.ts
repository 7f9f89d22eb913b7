/** The move from Django: how far it has come, and its end. Both may be asked twice. */
import { z } from "@hono/zod-openapi";
import { isLegacyOpen } from "../../schema/legacy.ts";
import { toIso } from "../../schema/time.ts";
import { adminEvent, tellWithoutEffect } from "../admin-audit.ts";
import { actorOf } from "../auth/admin.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { purgeDjangoLeftovers } from "../django-leftovers.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { findProgress, finishMigration, type Progress } from "../migration.ts";
import { tellAtOnce } from "../untold-events.ts";

const count = z.int().nonnegative();
const progressSchema = z
  .object({
    /** Something of Django's may still be accepted. */
    accepting: z.boolean(),
    accepted_until: z.iso.datetime().nullable(),
    finished_at: z.iso.datetime().nullable(),
    warnings: z.array(z.string()),
    users: z.object({
      imported: count,
      signed_in: count,
      rehashed: count,
      old_hashes: count,
      unusable_passwords: count,
    }),
    sessions: z.object({ left: count, exchanged: count }),
    tokens: z.object({ exchanged: count }),
  })
  .openapi("MigrationProgress");

const rules = { access: "admin" as const, tier: "confirmed" as const, limits: [] };
const security = [{ bearer: [] }];

const read = defineRoute(
  { ...rules, cost: "1 D1 query that reads every imported user" },
  {
    method: "get",
    path: "/api/admin/migration",
    summary: "How far the move from Django has come",
    security,
    responses: { 200: jsonAnswer("The progress", progressSchema), ...problemAnswers(401, 403, 429, 503) },
  },
);

const finish = defineRoute(
  {
    ...rules,
    cost: "2 D1 queries, 1 transaction (1 row and the event), 4 more to tell it; after the answer what Django had handed out is deleted, 2,000 rows a query",
  },
  {
    method: "post",
    path: "/api/admin/migration/finish",
    summary: "Accept nothing of Django's any more, for good",
    security,
    responses: { 200: jsonAnswer("The progress", progressSchema), ...problemAnswers(401, 403, 429, 503) },
  },
);

export function mountAdminMigration(app: App): void {
  serve(app, read, async (c) => c.json(shown(c, await findProgress(c.env.DB, c.get("facts").now)), 200));

  serve(app, finish, async (c) => {
    const event = adminEvent(c, "migration_finished", { userId: null, details: {} });
    const isNews = await finishMigration(c.env.DB, actorOf(c), event);
    if (isNews) await tellAtOnce(c.env, event.at);
    else tellWithoutEffect(c, "finish_migration", null);
    const { now } = c.get("facts");
    const progress = await findProgress(c.env.DB, now);
    c.executionCtx.waitUntil(purgeDjangoLeftovers(c.env.DB, now).catch(() => undefined)); // else the daily run does
    return c.json(shown(c, progress), 200);
  });
}

function shown(c: AppContext, progress: Progress): z.infer<typeof progressSchema> {
  const { legacy } = serviceOf(c).config;
  const isOpen = isLegacyOpen(legacy, c.get("facts").now) && progress.finished_at === null;
  const { imported, signed_in, rehashed, old_hashes, unusable } = progress;
  return {
    accepting: isOpen,
    accepted_until: legacy === null ? null : toIso(legacy.endsAt),
    finished_at: progress.finished_at === null ? null : toIso(progress.finished_at),
    warnings:
      isOpen && legacy?.isKeyPublic === true
        ? ["DJANGO_SECRET_KEY is known to strangers: they can sign in as any imported user"]
        : [],
    users: { imported, signed_in, rehashed, old_hashes, unusable_passwords: unusable },
    // Also while nothing is accepted yet: they wait for the key.
    sessions: {
      left: progress.finished_at === null ? progress.sessions_left : 0,
      exchanged: progress.sessions_exchanged,
    },
    tokens: { exchanged: progress.tokens_exchanged },
  };
}
