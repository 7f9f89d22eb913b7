/**
 * `GET /api/accounts/sessions/{id}/timeline`: when a session began, each refresh, and why it
 * ended. One's own sessions; an admin names the user of any other.
 */
import { z } from "@hono/zod-openapi";
import { asSessionId, asUserId } from "../../schema/ids.ts";
import { tellView } from "../admin-audit.ts";
import { confirmAdmin } from "../auth/admin.ts";
import { bearerOf } from "../auth/bearer.ts";
import { askingSession } from "../auth/django-bearer.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { timelineEventSchema, timelineEventView } from "../timeline-view.ts";

const route = defineRoute(
  {
    access: "bearer",
    tier: "confirmed",
    limits: [],
    cost: "1 UserAuthority call (no row written), 1 signature checked; 1 call more for an admin",
  },
  {
    method: "get",
    path: "/api/accounts/sessions/{id}/timeline",
    summary: "What happened to a session",
    security: [{ bearer: [] }],
    request: {
      params: z.object({ id: z.string() }),
      query: z.object({ user_id: z.coerce.number().int().positive().optional() }),
    },
    responses: {
      200: jsonAnswer(
        "Its events, oldest first; `earlier_refreshes`: how many came before those that are kept",
        z.object({ events: z.array(timelineEventSchema), earlier_refreshes: z.int() }),
      ),
      ...problemAnswers(400, 401, 403, 404, 429, 503),
    },
  },
);

export function mountTimeline(app: App): void {
  serve(app, route, async (c) => {
    const claims = bearerOf(c);
    const by = await askingSession(c, claims);
    const sid = asSessionId(c.req.valid("param").id);
    const userId = asUserId(c.req.valid("query").user_id ?? claims.user_id);
    if (sid === null || userId === null) throw new Refusal("not_found");
    const isOwn = userId === claims.user_id;
    if (!isOwn) await confirmAdmin(c, claims);
    const command = {
      by: isOwn ? by : null,
      sid,
      revokedBefore: await revokedBefore(c.env, c.executionCtx),
    };
    const answer = await reach("user_authority", () => userAuthority(c.env, userId).timeline(command));
    if (answer.kind === "denied") {
      throw new Refusal(answer.reason === "unknown" ? "not_found" : "access_token_revoked");
    }
    if (!isOwn) tellView(c, "timeline", userId);
    const { events, earlierRefreshes } = answer;
    return c.json({ events: events.map(timelineEventView), earlier_refreshes: earlierRefreshes }, 200);
  });
}
