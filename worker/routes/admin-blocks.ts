/**
 * `/api/admin/security/blocks`: addresses that are refused, by what was seen or by an admin. The
 * one thing beside health that also a banned address reaches, with a right credential, so that an
 * admin can free himself.
 */
import { z } from "@hono/zod-openapi";
import type { BlockRow } from "../../schema/abuse.ts";
import { addressKey } from "../../schema/ip-address.ts";
import { toIso } from "../../schema/time.ts";
import { noteBlock } from "../abuse.ts";
import { actorOf } from "../auth/admin.ts";
import { ipGuard, reach } from "../authorities.ts";
import { listBlocks } from "../blocks.ts";
import type { App } from "../context.ts";
import { Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";

const SECONDS_MAX = 31_536_000;
const REASON_LENGTH_MAX = 200;
const PAGE_MAX = 200;
const SUBNET = /\/64$/;

const blockSchema = z
  .object({
    ip: z.string(),
    scope: z.enum(["guesses", "everything"]),
    cause: z.enum(["rapid_login", "password_spray", "token_brute_force", "admin"]),
    reason: z.string().nullable(),
    actor: z.string().nullable(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
  })
  .openapi("AddressBlock");

const path = "/api/admin/security/blocks";
const rules = {
  access: "admin" as const,
  tier: "confirmed" as const,
  limits: [],
  passesBlocks: true as const,
};
const security = [{ bearer: [] }];

const list = defineRoute(
  { ...rules, cost: "1 D1 query" },
  {
    method: "get",
    path,
    summary: "The addresses that are blocked now",
    security,
    request: {
      query: z.object({
        cursor: z.string().max(64).optional(),
        limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_MAX),
      }),
    },
    responses: {
      200: jsonAnswer(
        "By address; pass next_cursor as cursor for the next page",
        z.object({ blocks: z.array(blockSchema), next_cursor: z.string().nullable() }),
      ),
      ...problemAnswers(400, 401, 403, 429, 503),
    },
  },
);

const impose = defineRoute(
  { ...rules, cost: "1 IpGuard call (3 rows written and 1 alarm), 2 D1 rows" },
  {
    method: "post",
    path,
    summary: "Block an address for everything",
    security,
    request: jsonBody(
      z.object({
        ip: z.string(),
        seconds: z.int().min(1).max(SECONDS_MAX),
        reason: z.string().min(1).max(REASON_LENGTH_MAX),
      }),
    ),
    responses: {
      201: jsonAnswer("The block", blockSchema),
      ...problemAnswers(400, 401, 403, 413, 415, 429, 503),
    },
  },
);

const lift = defineRoute(
  { ...rules, cost: "1 IpGuard call (3 rows written and 1 alarm), 2 D1 rows" },
  {
    method: "delete",
    path: `${path}/{ip}`,
    summary: "End the block of an address",
    security,
    request: { params: z.object({ ip: z.string() }) },
    responses: {
      204: { description: "Not blocked any more" },
      ...problemAnswers(400, 401, 403, 404, 429, 503),
    },
  },
);

export function mountAdminBlocks(app: App): void {
  serve(app, list, async (c) => {
    const { cursor, limit } = c.req.valid("query");
    const rows = await listBlocks(c.env.DB, c.get("facts").now, cursor ?? "", limit);
    const last = rows.length === limit ? rows.at(-1) : undefined;
    return c.json({ blocks: rows.map(viewOf), next_cursor: last?.address ?? null }, 200);
  });

  serve(app, impose, async (c) => {
    const { seconds, reason, ...sent } = c.req.valid("json");
    const address = addressOf(sent.ip);
    const { client, requestId, now } = c.get("facts");
    const actor = actorOf(c);
    const command = { address, seconds, reason, actor, client, requestId };
    const block = await reach("ip_guard", () => ipGuard(c.env, address).impose(command));
    noteBlock(address, block);
    const row = { address, scope: block.scope, cause: "admin" as const, reason, actor, created_at: now };
    return c.json(viewOf({ ...row, expires_at: Math.ceil(block.untilMs / 1000) }), 201);
  });

  serve(app, lift, async (c) => {
    const address = addressOf(c.req.valid("param").ip);
    const { client, requestId } = c.get("facts");
    const command = { address, actor: actorOf(c), client, requestId };
    const isLifted = await reach("ip_guard", () => ipGuard(c.env, address).lift(command));
    noteBlock(address, null);
    if (!isLifted) throw new Refusal("not_found");
    return c.body(null, 204);
  });
}

/** An address as it counts: IPv4, or the /64 of any IPv6 address in it. */
function addressOf(text: string): string {
  const key = addressKey(text.replace(SUBNET, ""));
  if (key !== null) return key;
  throw new Refusal("invalid_request", { details: [{ field: "ip", message: "must be an IP address" }] });
}

function viewOf({ address, created_at, expires_at, ...row }: BlockRow): z.infer<typeof blockSchema> {
  return { ip: address, ...row, created_at: toIso(created_at), expires_at: toIso(expires_at) };
}
