/** `/api/admin/users/{id}/sessions`: an admin looks at a user's sessions and ends one. */
import { z } from "@hono/zod-openapi";
import { asSessionId, parseUserId } from "../../schema/ids.ts";
import { recordAdminAction, tellView } from "../admin-audit.ts";
import { actorOf } from "../auth/admin.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { sessionSchema, sessionView } from "../session-view.ts";
import { noteDenial } from "../user-cache.ts";
import { findWithProfile } from "../users.ts";

const PATH = "/api/admin/users/{id}/sessions";
const rules = { access: "admin" as const, tier: "confirmed" as const, limits: [] };
const security = [{ bearer: [] }];

const list = defineRoute(
  { ...rules, cost: "1 D1 query, 1 UserAuthority call (no row written)" },
  {
    method: "get",
    path: PATH,
    summary: "List a user's sessions, newest first",
    security,
    request: { params: z.object({ id: z.string() }) },
    responses: {
      200: jsonAnswer("The live sessions", z.object({ sessions: z.array(sessionSchema) })),
      ...problemAnswers(401, 403, 404, 429, 503),
    },
  },
);

const end = defineRoute(
  { ...rules, cost: "1 UserAuthority call (3 rows written, 1 alarm), 1 D1 row written" },
  {
    method: "delete",
    path: `${PATH}/{sid}`,
    summary: "End one of a user's sessions",
    security,
    request: { params: z.object({ id: z.string(), sid: z.string() }) },
    responses: { 204: { description: "Ended" }, ...problemAnswers(401, 403, 404, 429, 503) },
  },
);

export function mountAdminSessions(app: App): void {
  serve(app, list, async (c) => {
    const id = parseUserId(c.req.valid("param").id);
    if (id === null || (await findWithProfile(c.env.DB, id)) === null) throw new Refusal("not_found");
    const command = { by: null, revokedBefore: await revokedBefore(c.env, c.executionCtx) };
    const answer = await reach("user_authority", () => userAuthority(c.env, id).listSessions(command));
    const sessions = answer.kind === "sessions" ? answer.sessions : [];
    tellView(c, "sessions", id);
    return c.json({ sessions: sessions.map((view) => sessionView(view, null)) }, 200);
  });
  serve(app, end, async (c) => {
    const id = parseUserId(c.req.valid("param").id);
    const sid = asSessionId(c.req.valid("param").sid);
    if (id === null || sid === null) throw new Refusal("not_found");
    const { client, requestId } = c.get("facts");
    const command = {
      by: null,
      scope: { kind: "one" as const, sid },
      reason: "ended_by_admin" as const,
      note: actorOf(c),
      actor: actorOf(c),
      client,
      requestId,
      revokedBefore: await revokedBefore(c.env, c.executionCtx),
    };
    const answer = await reach("user_authority", () => userAuthority(c.env, id).revoke(command));
    if (answer.kind === "denied") throw new Refusal("not_found");
    noteDenial(id, answer.denial);
    // It has ended, and the object tells by whom: an outage of the trail does not unsay that.
    await recordAdminAction(c, "session_ended_by_admin", { userId: id, sid, details: {} }).catch(() => null);
    return c.body(null, 204);
  });
}
