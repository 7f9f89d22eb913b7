/**
 * `GET /api/accounts/export`: everything that the account has, as one JSON document (GDPR
 * article 20). No secret is in it, nor anything that one could be guessed from.
 */
import { z } from "@hono/zod-openapi";
import { type NumericDate, toIso } from "../../schema/time.ts";
import type { SessionHistory } from "../../schema/user-authority.ts";
import { accountSchema, accountView } from "../account-view.ts";
import { eventOf, recordEvents } from "../audit.ts";
import { bearerOf } from "../auth/bearer.ts";
import { bearerFrom } from "../auth/tiers.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App } from "../context.ts";
import { EXPORTED_EVENTS_MAX, findHoldings } from "../export.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { sessionSchema, sessionView } from "../session-view.ts";
import { timelineEventSchema, timelineEventView } from "../timeline-view.ts";
import { findWithProfile } from "../users.ts";

const moment = z.iso.datetime();
const historySchema = sessionSchema.extend({
  events: z.array(timelineEventSchema),
  earlier_refreshes: z.int(),
});
const exportSchema = z
  .object({
    exported_at: moment,
    user: accountSchema,
    emails: z.array(z.object({ address: z.string(), verified: z.boolean() })),
    second_factor: z.object({
      totp: z.boolean(),
      activated_at: moment.nullable(),
      recovery_codes_left: z.int(),
    }),
    sessions: z.array(historySchema),
    /** Those that have ended, while they are kept; the last of the events says why. */
    ended_sessions: z.array(historySchema),
    api_keys: z.array(
      z.object({
        key_id: z.string(),
        name: z.string(),
        permissions: z.array(z.string()),
        created_at: moment,
        expires_at: moment.nullable(),
        last_used_at: moment.nullable(),
      }),
    ),
    mailed_links: z.array(
      z.object({
        purpose: z.string(),
        email: z.string().nullable(),
        created_at: moment,
        expires_at: moment,
        used_at: moment.nullable(),
      }),
    ),
    /** What Django had signed in when the account came from there. */
    django_sessions: z.array(z.object({ expires_at: moment, exchanged_at: moment.nullable() })),
    /** Newest first; the oldest are missing if `security_events_truncated`. */
    security_events: z.array(
      z.object({
        id: z.string(),
        at: moment,
        type: z.string(),
        risk: z.string(),
        reason: z.string().nullable(),
        session_id: z.string().nullable(),
        request_id: z.string().nullable(),
        ip: z.string().nullable(),
        country: z.string().nullable(),
        city: z.string().nullable(),
        user_agent: z.string().nullable(),
      }),
    ),
    security_events_truncated: z.boolean(),
  })
  .openapi("Export");

const route = defineRoute(
  {
    access: "confirmed",
    tier: "confirmed",
    limits: [],
    cost: `2 D1 queries (at most ${EXPORTED_EVENTS_MAX} events read), 1 row written, 2 UserAuthority calls (1 row written), 1 signature checked`,
  },
  {
    method: "get",
    path: "/api/accounts/export",
    summary: "Everything that one's account has",
    security: [{ bearer: [] }],
    responses: {
      200: jsonAnswer("The account, whole", exportSchema),
      ...problemAnswers(401, 429, 503),
    },
  },
);

export function mountExport(app: App): void {
  serve(app, route, async (c) => {
    const { user_id, sid } = bearerOf(c);
    const { now } = c.get("facts");
    const by = await bearerFrom(bearerOf(c), c.env, c.executionCtx);
    const command = { by, revokedBefore: by.revokedBefore };
    const [row, holdings, answer] = await Promise.all([
      findWithProfile(c.env.DB, user_id),
      findHoldings(c.env.DB, user_id),
      reach("user_authority", () => userAuthority(c.env, user_id).sessionHistories(command)),
    ]);
    if (row === null || answer.kind === "denied") throw new Refusal("access_token_revoked");
    const event = eventOf(c, { type: "account_exported", userId: user_id, sid });
    await reach("database", () => recordEvents(c.env, [event]));

    const user = accountView(row);
    const history = (one: SessionHistory) => ({
      ...sessionView(one, sid),
      events: one.events.map(timelineEventView),
      earlier_refreshes: one.earlierRefreshes,
    });
    const document: z.infer<typeof exportSchema> = {
      exported_at: toIso(now),
      user,
      emails: user.email === null ? [] : [{ address: user.email, verified: user.email_verified }],
      second_factor: {
        totp: holdings.factor !== null,
        activated_at: shown(holdings.factor?.activated_at ?? null),
        recovery_codes_left: holdings.factor?.recovery_codes_left ?? 0,
      },
      sessions: answer.sessions.filter((one) => !hasEnded(one)).map(history),
      ended_sessions: answer.sessions.filter(hasEnded).map(history),
      api_keys: holdings.keys.map((key) => ({
        ...key,
        permissions: JSON.parse(key.permissions) as string[],
        created_at: toIso(key.created_at),
        expires_at: shown(key.expires_at),
        last_used_at: shown(key.last_used_at),
      })),
      mailed_links: holdings.mails.map((mail) => ({
        ...mail,
        created_at: toIso(mail.created_at),
        expires_at: toIso(mail.expires_at),
        used_at: shown(mail.used_at),
      })),
      django_sessions: holdings.djangoSessions.map((session) => ({
        expires_at: toIso(session.expires_at),
        exchanged_at: shown(session.exchanged_at),
      })),
      security_events: holdings.events.map((one) => ({ ...one, at: toIso(one.at) })),
      security_events_truncated: holdings.hasMoreEvents,
    };
    return c.json(document, 200, { "Content-Disposition": 'attachment; filename="account.json"' });
  });
}

function hasEnded({ events }: SessionHistory): boolean {
  return events.at(-1)?.type === "ended";
}

function shown(at: NumericDate | null): string | null {
  return at === null ? null : toIso(at);
}
