/** `POST /api/admin/users/{id}/unlock`: an admin ends a lockout (LCK-09). */
import { z } from "@hono/zod-openapi";
import { parseUserId } from "../../schema/ids.ts";
import { tellWithoutEffect } from "../admin-audit.ts";
import { actorOf } from "../auth/admin.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { findWithProfile } from "../users.ts";

const route = defineRoute(
  {
    access: "admin",
    tier: "confirmed",
    limits: [],
    cost: "1 D1 query, 1 UserAuthority call (2 rows written and 1 alarm if it was locked)",
  },
  {
    method: "post",
    path: "/api/admin/users/{id}/unlock",
    summary: "End a lockout",
    security: [{ bearer: [] }],
    request: { params: z.object({ id: z.string() }) },
    responses: {
      200: jsonAnswer("Not locked any more", z.object({ message: z.string() })),
      ...problemAnswers(401, 403, 404, 429, 503),
    },
  },
);

export function mountAdminUnlock(app: App): void {
  serve(app, route, async (c) => {
    const userId = parseUserId(c.req.valid("param").id);
    if (userId === null || (await findWithProfile(c.env.DB, userId)) === null) throw new Refusal("not_found");
    const { client, requestId } = c.get("facts");
    const command = { userId, note: actorOf(c), actor: actorOf(c), client, requestId };
    const isDone = await reach("user_authority", () => userAuthority(c.env, userId).unlock(command));
    if (!isDone) tellWithoutEffect(c, "unlock", userId);
    return c.json({ message: "Account unlocked" }, 200);
  });
}
