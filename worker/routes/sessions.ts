/** `/api/accounts/sessions`: a user's own sessions (ASVS 7.5.2). The user's object answers, so all of it is confirmed. */
import { z } from "@hono/zod-openapi";
import { asSessionId } from "../../schema/ids.ts";
import type { RevocationScope } from "../../schema/user-authority.ts";
import { bearerOf } from "../auth/bearer.ts";
import { askingSession, isDjangos } from "../auth/django-bearer.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App, AppContext } from "../context.ts";
import { endAllAndDjangos } from "../end-django.ts";
import { revokedBefore } from "../era.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { receiptOf, receiptSchema } from "../receipt.ts";
import { sessionSchema, sessionView } from "../session-view.ts";
import { noteDenial } from "../user-cache.ts";

const PATH = "/api/accounts/sessions";
const confirmed = { access: "bearer" as const, tier: "confirmed" as const, limits: [] };
const security = [{ bearer: [] }];

const list = defineRoute(
  { ...confirmed, cost: "1 UserAuthority call (no row written), 1 signature checked" },
  {
    method: "get",
    path: PATH,
    summary: "List one's sessions, newest first",
    security,
    responses: {
      200: jsonAnswer("The live sessions", z.object({ sessions: z.array(sessionSchema) })),
      ...problemAnswers(401, 429, 503),
    },
  },
);

const endOne = defineRoute(
  { ...confirmed, cost: "1 UserAuthority call (3 rows written, 1 alarm), 1 signature checked" },
  {
    method: "delete",
    path: `${PATH}/{id}`,
    summary: "End one of one's sessions",
    security,
    request: { params: z.object({ id: z.string() }) },
    responses: { 204: { description: "Ended" }, ...problemAnswers(401, 404, 429, 503) },
  },
);

const endOthers = defineRoute(
  {
    ...confirmed,
    cost: "1 UserAuthority call (2 rows written a session, 1, and 1 alarm), 1 signature checked",
  },
  {
    method: "delete",
    path: PATH,
    summary: "End all of one's other sessions; all of them, and what Django gave, by what Django gave",
    security,
    responses: { 200: jsonAnswer("How many ended", receiptSchema), ...problemAnswers(401, 429, 503) },
  },
);

export function mountSessions(app: App): void {
  serve(app, list, async (c) => {
    const { user_id, sid } = bearerOf(c);
    const by = await askingSession(c, bearerOf(c));
    const command = { by, revokedBefore: await revokedBefore(c.env, c.executionCtx) };
    const answer = await reach("user_authority", () => userAuthority(c.env, user_id).listSessions(command));
    if (answer.kind === "denied") throw new Refusal("access_token_revoked");
    return c.json({ sessions: answer.sessions.map((view) => sessionView(view, sid)) }, 200);
  });
  serve(app, endOne, async (c) => {
    const target = asSessionId(c.req.valid("param").id);
    if (target === null) throw new Refusal("not_found");
    await revoke(c, { kind: "one", sid: target });
    return c.body(null, 204);
  });
  serve(app, endOthers, async (c) => {
    if (!isDjangos(bearerOf(c))) return c.json(receiptOf(await revoke(c, { kind: "others" })), 200);
    await askingSession(c, bearerOf(c));
    const ended = await endAllAndDjangos(c, bearerOf(c).user_id, "ended_by_owner");
    if (ended === null) throw new Refusal("access_token_revoked");
    return c.json(receiptOf(ended), 200);
  });
}

async function revoke(c: AppContext, scope: RevocationScope) {
  const { user_id } = bearerOf(c);
  const { client, requestId } = c.get("facts");
  const command = {
    by: await askingSession(c, bearerOf(c)),
    scope,
    reason: "ended_by_owner" as const,
    note: null,
    client,
    requestId,
    revokedBefore: await revokedBefore(c.env, c.executionCtx),
  };
  const answer = await reach("user_authority", () => userAuthority(c.env, user_id).revoke(command));
  if (answer.kind === "denied") {
    throw new Refusal(answer.reason === "unknown" ? "not_found" : "access_token_revoked");
  }
  noteDenial(user_id, answer.denial);
  return answer;
}
