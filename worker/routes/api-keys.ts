/** `/api/accounts/api-keys`: a user's own keys. Managed with an access token only, confirmed. */
import { z } from "@hono/zod-openapi";
import {
  API_KEY_NAME_LENGTH_MAX,
  formatApiKey,
  isKeyId,
  KEY_ID_BYTES,
  SECRET_BYTES,
} from "../../schema/api-keys.ts";
import type { AuditEvent } from "../../schema/audit-events.ts";
import type { UserId } from "../../schema/ids.ts";
import { log } from "../../schema/log.ts";
import { isAllowed, permissionList, storedPermissions } from "../../schema/permissions.ts";
import { type NumericDate, toIso } from "../../schema/time.ts";
import { type ApiKeyRow, deleteKey, digestOf, insertKey, listKeys } from "../api-keys.ts";
import { eventOf } from "../audit.ts";
import { bearerOf } from "../auth/bearer.ts";
import { reach, userAuthority } from "../authorities.ts";
import type { App, AppContext } from "../context.ts";
import { newTokenId, randomBytes } from "../entropy.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { permissionsOf } from "../roles.ts";
import { tellAtOnce } from "../untold-events.ts";
import { findUser } from "../users.ts";

const PATH = "/api/accounts/api-keys";
const rules = { access: "confirmed" as const, tier: "confirmed" as const, limits: [] };
const security = [{ bearer: [] }];
/** The end of the year 9999, beyond which ISO 8601 has another form. */
const LAST_MOMENT = 253_402_300_799;

const keySchema = z
  .object({
    key_id: z.string(),
    name: z.string(),
    permissions: z.array(z.string()),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime().nullable(),
    last_used_at: z.iso.datetime().nullable(),
  })
  .openapi("ApiKey");

const body = z.object({
  name: z
    .string()
    .min(1)
    .max(API_KEY_NAME_LENGTH_MAX)
    .regex(/^[^\p{C}]*$/u, "must have no control characters"),
  permissions: permissionList.refine((list) => list.length > 0, "must name at least one permission"),
  /** ISO 8601 with a zone, as every answer spells time, or NumericDate seconds. */
  expires_at: z
    .union([
      z.iso.datetime({ offset: true }).transform((text) => Math.floor(Date.parse(text) / 1000)),
      z.int().max(LAST_MOMENT),
    ])
    .nullish(),
});

const list = defineRoute(
  { ...rules, cost: "1 D1 query, 1 UserAuthority call, 1 signature checked" },
  {
    method: "get",
    path: PATH,
    summary: "List one's API keys, newest first",
    security,
    responses: {
      200: jsonAnswer("The keys, without their secrets", z.object({ api_keys: z.array(keySchema) })),
      ...problemAnswers(401, 403, 429, 503),
    },
  },
);

const create = defineRoute(
  {
    ...rules,
    cost: "1 D1 read, 1 transaction (2 rows and the event), 4 more to tell it, 2 UserAuthority calls (2 rows written, 1 alarm), 1 signature checked",
    missing: "Name and permissions are required",
  },
  {
    method: "post",
    path: PATH,
    summary: "Make an API key",
    security,
    request: jsonBody(body),
    responses: {
      201: jsonAnswer("The key, shown this once", keySchema.extend({ key: z.string() })),
      ...problemAnswers(400, 401, 403, 409, 413, 415, 429, 503),
    },
  },
);

const revoke = defineRoute(
  {
    ...rules,
    cost: "1 D1 transaction (2 rows and the event), 4 more to tell it, 1 UserAuthority call, 1 signature checked",
  },
  {
    method: "delete",
    path: `${PATH}/{key_id}`,
    summary: "Revoke an API key: at once, everywhere",
    security,
    request: { params: z.object({ key_id: z.string() }) },
    responses: { 204: { description: "Revoked" }, ...problemAnswers(401, 403, 404, 429, 503) },
  },
);

export function mountApiKeys(app: App): void {
  serve(app, list, async (c) => {
    const rows = await listKeys(c.env.DB, bearerOf(c).user_id);
    return c.json({ api_keys: rows.map(keyView) }, 200);
  });
  serve(app, create, async (c) => {
    const { name, permissions, expires_at } = c.req.valid("json");
    const { now } = c.get("facts");
    const expiresAt = expires_at ?? null;
    if (expiresAt !== null && expiresAt <= now) {
      throw new Refusal("invalid_request", {
        details: [{ field: "expires_at", message: "must be in the future" }],
      });
    }
    const { user_id: userId, role } = bearerOf(c);
    const own = await permissionsOf(c.env, c.executionCtx, role);
    // Nobody hands out what they may not do themselves.
    if (!permissions.every((one) => isAllowed(own, one))) throw new Refusal("permission_denied");
    const owner = await findUser(c.env.DB, userId);
    if (owner === null) throw new Refusal("access_token_revoked");
    const { key, keyId, secret } = formatApiKey(randomBytes(KEY_ID_BYTES), randomBytes(SECRET_BYTES));
    const digest = await digestOf(secret);
    const made = { keyId, userId, name, digest, permissions, now, expiresAt };
    const event = keyEvent(c, "api_key_created", { key_id: keyId, permissions: permissions.join(" ") });
    if (!(await insertKey(c.env.DB, made, event))) throw new Refusal("too_many");
    await tellAtOnce(c.env, now);
    if (owner.email !== null) await tellOwner(c, userId, owner.email, now);
    const shown = { key_id: keyId, name, created_at: now, expires_at: expiresAt, last_used_at: null };
    return c.json({ ...keyView({ ...shown, permissions: JSON.stringify(permissions) }), key }, 201);
  });
  serve(app, revoke, async (c) => {
    const { key_id } = c.req.valid("param");
    const event = keyEvent(c, "api_key_revoked", { key_id });
    const isGone = isKeyId(key_id) && (await deleteKey(c.env.DB, bearerOf(c).user_id, key_id, event));
    if (!isGone) throw new Refusal("not_found");
    await tellAtOnce(c.env, event.at);
    return c.body(null, 204);
  });
}

/**
 * A key outlives sessions and passwords, so its owner hears of it. Should that fail, the key is made
 * all the same: to keep back its only answer would leave a key that nobody has.
 */
async function tellOwner(c: AppContext, userId: UserId, to: string, at: NumericDate): Promise<void> {
  const mail = { kind: "api_key_created" as const, userId, to, at };
  try {
    await reach("user_authority", () => userAuthority(c.env, userId).orderMail({ id: newTokenId(), mail }));
  } catch (error) {
    if (!(error instanceof Outage)) throw error;
    const { requestId } = c.get("facts");
    log(toIso(at), { level: "error", event: "notice_not_ordered", request_id: requestId, reason: mail.kind });
  }
}

function keyEvent(
  c: AppContext,
  type: "api_key_created" | "api_key_revoked",
  details: { key_id: string; permissions?: string },
): AuditEvent {
  const { user_id: userId, sid } = bearerOf(c);
  return eventOf(c, { id: `${details.key_id}.${type}`, type, userId, sid, details });
}

function keyView(row: ApiKeyRow): z.infer<typeof keySchema> {
  const { key_id, name, permissions, created_at, expires_at, last_used_at } = row;
  return {
    key_id,
    name,
    permissions: storedPermissions(permissions),
    created_at: toIso(created_at),
    expires_at: expires_at === null ? null : toIso(expires_at),
    last_used_at: last_used_at === null ? null : toIso(last_used_at),
  };
}
