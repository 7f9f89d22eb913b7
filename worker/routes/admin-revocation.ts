/**
 * An admin ends every session of a user, or of everyone (ASVS 7.4.5). Both may be asked twice. The
 * user's object is asked first: what it knows ends also while D1 is down.
 */
import { z } from "@hono/zod-openapi";
import { ERA_LEASE_MS } from "../../schema/global-epoch.ts";
import { parseUserId, type UserId } from "../../schema/ids.ts";
import { isLegacyOpen } from "../../schema/legacy.ts";
import { toIso } from "../../schema/time.ts";
import type { UserState } from "../../schema/user-authority.ts";
import { type UserRow, userState } from "../../schema/users.ts";
import { tellWithoutEffect } from "../admin-audit.ts";
import { actorOf } from "../auth/admin.ts";
import { globalEpoch, reach, userAuthority } from "../authorities.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { noteRevokedBefore, revokedBefore } from "../era.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { effectiveFrom, effectiveSchema, receiptOf, receiptSchema } from "../receipt.ts";
import { noteDenial } from "../user-cache.ts";
import { findWithProfile } from "../users.ts";

const REASON_LENGTH_MAX = 200;
/** Clocks of two machines do not run at quite the same speed. */
const LEASE_MARGIN_MS = 250;

const rules = { access: "admin" as const, tier: "confirmed" as const, limits: [] };
const security = [{ bearer: [] }];

const revokeUser = defineRoute(
  {
    ...rules,
    cost: "1 UserAuthority call (3 rows written and 1 alarm, however many sessions); 1 D1 query for a user whose object knows of none, and 1 call more beside Django",
  },
  {
    method: "post",
    path: "/api/admin/users/{id}/revoke-sessions",
    summary: "End every session of a user",
    security,
    request: {
      params: z.object({ id: z.string() }),
      ...jsonBody(z.object({ reason: z.string().max(REASON_LENGTH_MAX).nullish() })),
    },
    responses: {
      200: jsonAnswer("What ended", receiptSchema),
      ...problemAnswers(400, 401, 403, 404, 429, 503),
    },
  },
);

const revokeAll = defineRoute(
  {
    ...rules,
    cost: "1 GlobalEpoch call (3 rows written, 1 alarm); answered after 5 s, when every lease has run out",
  },
  {
    method: "post",
    path: "/api/admin/revoke-all",
    summary: "End every session of everyone",
    security,
    request: jsonBody(
      z.object({ reason: z.string().min(1).max(REASON_LENGTH_MAX), confirm: z.literal("revoke-all") }),
    ),
    responses: {
      200: jsonAnswer(
        "Every token made before this moment is dead",
        z.object({ revoked_before: z.iso.datetime(), effective: effectiveSchema }),
      ),
      ...problemAnswers(400, 401, 403, 429, 503),
    },
  },
);

export function mountAdminRevocation(app: App): void {
  serve(app, revokeUser, async (c) => {
    const id = parseUserId(c.req.valid("param").id);
    if (id === null) throw new Refusal("not_found");
    const { client, requestId } = c.get("facts");
    const command = {
      by: null,
      scope: { kind: "all" as const },
      reason: "ended_by_admin" as const,
      note: `${actorOf(c)}: ${c.req.valid("json").reason ?? ""}`,
      client,
      requestId,
      actor: actorOf(c),
      revokedBefore: await revokedBefore(c.env, c.executionCtx),
    };
    const ask = (user?: UserState) =>
      reach("user_authority", () => userAuthority(c.env, id).revoke({ ...command, ...(user && { user }) }));
    let answer = await ask();
    if (answer.kind === "denied") {
      const row = await findUnknown(c, id);
      // Never signed in here, or long ago: only what Django gave them can be there to end.
      if (row !== null && isLegacyOpen(serviceOf(c).config.legacy, c.get("facts").now))
        answer = await ask(userState(row));
    }
    if (answer.kind === "denied" || answer.isMoot) tellWithoutEffect(c, "revoke_sessions", id);
    if (answer.kind === "denied")
      return c.json(receiptOf({ revoked: 0, epoch: 0, at: c.get("facts").now }), 200);
    noteDenial(id, answer.denial);
    return c.json(receiptOf(answer), 200);
  });

  serve(app, revokeAll, async (c) => {
    const { client, requestId } = c.get("facts");
    const command = { reason: c.req.valid("json").reason, actor: actorOf(c), client, requestId };
    const before = await reach("global_epoch", () => globalEpoch(c.env).revokeEveryone(command));
    noteRevokedBefore(before);
    // Every edge that asked before this was decided stops believing what it heard by then, so that
    // whatever is answered after this answer knows of it: there is no third case.
    await scheduler.wait(ERA_LEASE_MS + LEASE_MARGIN_MS);
    return c.json({ revoked_before: toIso(before), effective: effectiveFrom(before) }, 200);
  });
}

/**
 * Who it is that their object does not know: 404 if nobody. With D1 down nobody can tell, and there
 * is nothing to end, unless Django may have given them something: then it is an outage.
 */
async function findUnknown(c: AppContext, id: UserId): Promise<UserRow | null> {
  try {
    const row = await findWithProfile(c.env.DB, id);
    if (row === null) throw new Refusal("not_found");
    return row;
  } catch (error) {
    const isOpen = isLegacyOpen(serviceOf(c).config.legacy, c.get("facts").now);
    if (error instanceof Outage && !isOpen) return null;
    throw error;
  }
}
