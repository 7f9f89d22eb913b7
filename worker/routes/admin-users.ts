/** `/api/admin/users`: find users, look at one, change role and activity (ASVS 8.2.1, 8.3.2). */
import { z } from "@hono/zod-openapi";
import { EMAIL_LENGTH_MAX } from "../../schema/identity.ts";
import { parseUserId, type UserId } from "../../schema/ids.ts";
import { ADMIN_ROLE, isRoleName } from "../../schema/permissions.ts";
import { accountSchema, accountView, managedUserSchema, managedUserView } from "../account-view.ts";
import { recordAdminAction, tellView, tellWithoutEffect } from "../admin-audit.ts";
import { changeUser, findUsers, tellChange, type UserChange } from "../admin-users.ts";
import type { App, AppContext } from "../context.ts";
import { revokedBefore } from "../era.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { receiptOf, receiptSchema } from "../receipt.ts";
import { findRole } from "../roles.ts";
import { findWithProfile } from "../users.ts";

const PATH = "/api/admin/users";
const PAGE_MAX = 100;
const PAGE_DEFAULT = 50;
const rules = { access: "admin" as const, tier: "confirmed" as const, limits: [] };
const security = [{ bearer: [] }];
const params = z.object({ id: z.string() });
const CURSOR = /^[1-9][0-9]{0,14}$/;
const LIMIT = /^[1-9][0-9]{0,2}$/;

const wholeUserSchema = accountSchema.extend({ is_active: z.boolean() });

const list = defineRoute(
  { ...rules, cost: "1 D1 query" },
  {
    method: "get",
    path: PATH,
    summary: "Find users by the beginning of a user name or e-mail, in pages",
    security,
    request: {
      query: z.object({
        query: z.string().max(EMAIL_LENGTH_MAX).optional(),
        cursor: z.string().regex(CURSOR, "must be the next_cursor of an answer").optional(),
        limit: z
          .string()
          .regex(LIMIT, `must be a number from 1 to ${PAGE_MAX}`)
          .refine((limit) => Number(limit) <= PAGE_MAX, `must be a number from 1 to ${PAGE_MAX}`)
          .optional(),
      }),
    },
    responses: {
      200: jsonAnswer(
        "A page",
        z.object({ users: z.array(managedUserSchema), next_cursor: z.string().nullable() }),
      ),
      ...problemAnswers(400, 401, 403, 429, 503),
    },
  },
);

const get = defineRoute(
  { ...rules, cost: "1 D1 query" },
  {
    method: "get",
    path: `${PATH}/{id}`,
    summary: "Look at a user",
    security,
    request: { params },
    responses: {
      200: jsonAnswer("The user", z.object({ user: wholeUserSchema })),
      ...problemAnswers(401, 403, 404, 429, 503),
    },
  },
);

const patch = defineRoute(
  {
    ...rules,
    cost: "2 D1 transactions (5 rows written), 4 more to tell it, 1 UserAuthority call (3 rows and 1 a session, 1 alarm); nothing to change: 1 D1 transaction",
  },
  {
    method: "patch",
    path: `${PATH}/{id}`,
    summary: "Change a user's role, deactivate or reactivate",
    security,
    request: {
      params,
      ...jsonBody(
        z.object({
          is_active: z.boolean().optional(),
          role: z.string().refine(isRoleName, "is not the name of a role").optional(),
        }),
      ),
    },
    responses: {
      200: jsonAnswer(
        "The user as it is now, and the receipt of what ended",
        receiptSchema.partial().extend({ user: wholeUserSchema }),
      ),
      ...problemAnswers(400, 401, 403, 404, 409, 413, 415, 429, 503),
    },
  },
);

export function mountAdminUsers(app: App): void {
  serve(app, list, async (c) => {
    const { query, cursor, limit } = c.req.valid("query");
    const size = limit === undefined ? PAGE_DEFAULT : Number(limit);
    // One more than is shown tells whether there is another page.
    const rows = await findUsers(c.env.DB, {
      query: query ?? "",
      after: Number(cursor ?? 0),
      limit: size + 1,
    });
    const shown = rows.slice(0, size);
    const last = rows.length > size ? shown.at(-1) : undefined;
    return c.json(
      { users: shown.map(managedUserView), next_cursor: last === undefined ? null : String(last.id) },
      200,
    );
  });
  serve(app, get, async (c) => {
    const id = idOf(c.req.valid("param"));
    const user = await wholeUser(c, id);
    tellView(c, "account", id);
    return c.json({ user }, 200);
  });
  serve(app, patch, async (c) => {
    const id = idOf(c.req.valid("param"));
    const { is_active, role } = c.req.valid("json");
    const change = { role: role ?? null, isActive: is_active ?? null };
    await refuseWhatIsUnknown(c, change);
    await refuseOwn(c, id, change);
    const { now, client, requestId } = c.get("facts");
    const actor = c.get("actor") ?? "";
    const changed = await changeUser(c.env.DB, id, change, { actor, now, client, requestId });
    if (changed.kind === "unknown") throw new Refusal("not_found");
    if (changed.kind !== "done") {
      await recordRefusal(c, id, changed.kind, change);
      throw new Refusal(changed.kind);
    }
    const { row, pending } = changed;
    if (pending === null) {
      tellWithoutEffect(c, "change_user", id);
      return c.json({ user: await wholeUser(c, id) }, 200);
    }
    const origin = { client, requestId, revokedBefore: await revokedBefore(c.env, c.executionCtx), now };
    const answer = await tellChange(c.env, row, pending, origin);
    return c.json({ user: await wholeUser(c, id), ...receiptOf(answer) }, 200);
  });
}

function idOf({ id }: { id: string }): UserId {
  const userId = parseUserId(id);
  if (userId === null) throw new Refusal("not_found");
  return userId;
}

async function refuseWhatIsUnknown(c: AppContext, { role, isActive }: UserChange): Promise<void> {
  if (role === null && isActive === null) {
    throw new Refusal("missing_fields", { detail: "One of is_active and role is required" });
  }
  if (role !== null && (await findRole(c.env.DB, role)) === null) {
    throw new Refusal("invalid_request", { details: [{ field: "role", message: "there is no such role" }] });
  }
}

/** Nobody takes their own admin role away, or their own account: another admin does. */
async function refuseOwn(c: AppContext, id: UserId, change: UserChange): Promise<void> {
  const isOwn = c.get("bearer")?.user_id === id;
  if (!isOwn || ((change.role ?? ADMIN_ROLE) === ADMIN_ROLE && change.isActive !== false)) return;
  await recordRefusal(c, id, "own_account", change);
  throw new Refusal("permission_denied", { detail: "An admin cannot remove their own access" });
}

async function recordRefusal(c: AppContext, id: UserId, reason: string, change: UserChange): Promise<void> {
  const details = { action: "change_user", role: change.role, is_active: change.isActive };
  await recordAdminAction(c, "admin_action_refused", { userId: id, reason, details });
}

async function wholeUser(c: AppContext, id: UserId): Promise<z.infer<typeof wholeUserSchema>> {
  const row = await findWithProfile(c.env.DB, id);
  if (row === null) throw new Refusal("not_found");
  return { ...accountView(row), is_active: row.is_active === 1 };
}
