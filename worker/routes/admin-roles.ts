/** `/api/admin/roles/{role}`: what a role may do. A role that is put for the first time begins to exist. */
import { z } from "@hono/zod-openapi";
import { ADMIN_ROLE, EVERYTHING, isRoleName, permissionList } from "../../schema/permissions.ts";
import { adminEvent, tellWithoutEffect } from "../admin-audit.ts";
import type { App } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { findRole, putRole } from "../roles.ts";
import { tellAtOnce } from "../untold-events.ts";

const PATH = "/api/admin/roles/{role}";
const rules = { access: "admin" as const, tier: "confirmed" as const, limits: [] };
const security = [{ bearer: [] }];
const params = z.object({ role: z.string() });
const roleSchema = z.object({ role: z.string(), permissions: z.array(z.string()) }).openapi("Role");

const get = defineRoute(
  { ...rules, cost: "1 D1 query" },
  {
    method: "get",
    path: PATH,
    summary: "Read what a role may do",
    security,
    request: { params },
    responses: { 200: jsonAnswer("The role", roleSchema), ...problemAnswers(401, 403, 404, 429, 503) },
  },
);

const put = defineRoute(
  {
    ...rules,
    cost: "1 D1 transaction (3 rows written with the event), 4 more to tell it",
    missing: "Permissions are required",
  },
  {
    method: "put",
    path: PATH,
    summary: "Say what a role may do",
    security,
    request: { params, ...jsonBody(z.object({ permissions: permissionList })) },
    responses: {
      200: jsonAnswer("The role as it is now", roleSchema),
      201: jsonAnswer("The role, which is new", roleSchema),
      ...problemAnswers(400, 401, 403, 409, 413, 415, 429, 503),
    },
  },
);

export function mountAdminRoles(app: App): void {
  serve(app, get, async (c) => {
    const { role } = c.req.valid("param");
    const permissions = isRoleName(role) ? await findRole(c.env.DB, role) : null;
    if (permissions === null) throw new Refusal("not_found");
    return c.json({ role, permissions }, 200);
  });
  serve(app, put, async (c) => {
    const { role } = c.req.valid("param");
    const { permissions } = c.req.valid("json");
    if (!isRoleName(role)) {
      const message = "must begin with a letter and have at most 32 of a-z, 0-9, _ and -";
      throw new Refusal("invalid_request", { details: [{ field: "role", message }] });
    }
    if (role === ADMIN_ROLE && !permissions.includes(EVERYTHING)) {
      const message = `must hold ${EVERYTHING}: an admin may do everything`;
      throw new Refusal("invalid_request", { details: [{ field: "permissions", message }] });
    }
    const eventOf = (result: "created" | "changed") => {
      const details = { role, permissions: permissions.join(" "), result };
      return adminEvent(c, "role_permissions_changed", { userId: null, details });
    };
    const done = await putRole(c.env.DB, role, permissions, c.get("facts").now, eventOf);
    if (done === "full") throw new Refusal("too_many");
    if (done === "unchanged") tellWithoutEffect(c, "change_role", null);
    else await tellAtOnce(c.env, c.get("facts").now);
    return c.json({ role, permissions }, done === "created" ? 201 : 200);
  });
}
