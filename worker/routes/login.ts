/**
 * `POST /api/accounts/login`: by user name or e-mail. Every way to be wrong gives one answer and
 * costs one hash (ENU-01, HASH-08).
 */
import { z } from "@hono/zod-openapi";
import { canBeLogin, usernameKey } from "../../schema/identity.ts";
import { asUserId } from "../../schema/ids.ts";
import type { UserRow } from "../../schema/users.ts";
import { type App, type AppContext, serviceOf } from "../context.ts";
import { randomBytes } from "../entropy.ts";
import { Outage, Refusal } from "../http/problems.ts";
import { defineRoute, jsonAnswer, jsonBody, problemAnswers, serve } from "../http/route.ts";
import { decoyWork, hashPassword, verifyPassword } from "../passwords/registry.ts";
import { openSession } from "../sessions.ts";
import { keyedHash } from "../tokens/refresh-key.ts";
import { handOver, tokenAnswer, tokenAnswerSchema, transport } from "../tokens/token-answer.ts";
import { findForLogin, recordLogin, replaceHash } from "../users.ts";

const DEVICE_NAME_LENGTH_MAX = 100;

const body = z.object({
  username: z.string().min(1),
  password: z.string().min(1),
  remember_me: z.boolean().optional(),
  transport,
  device_name: z.string().max(DEVICE_NAME_LENGTH_MAX).nullish(),
});

const route = defineRoute(
  {
    access: "public",
    tier: "none",
    limits: ["auth"],
    cost: "1 D1 query, 1 D1 row written after the answer, 1 UserAuthority call (1 row written), 1 hash, 2 signatures",
    missing: "Username and password are required",
  },
  {
    method: "post",
    path: "/api/accounts/login",
    summary: "Sign in by user name or e-mail",
    request: jsonBody(body),
    responses: {
      200: jsonAnswer("The new session", tokenAnswerSchema),
      ...problemAnswers(400, 401, 413, 415, 429, 503),
    },
  },
);

export function mountLogin(app: App): void {
  serve(app, route, async (c) => {
    const { username, password, device_name } = c.req.valid("json");
    const user = await authenticate(c, username, password);
    const opened = await openSession(c, user, { amr: ["pwd"], deviceName: device_name ?? null });
    if (opened.kind === "denied") {
      // Deactivated while the password was being hashed, or changed: the next try sees which.
      if (opened.reason === "inactive") throw new Refusal("invalid_credentials");
      throw new Outage("user_authority", opened.reason);
    }
    const { id } = opened.grant.user;
    c.executionCtx.waitUntil(recordLogin(c.env.DB, id, c.var.facts.now).catch(() => undefined));
    const pair = await tokenAnswer(serviceOf(c), opened.grant, "Login successful");
    return c.json(handOver(c, pair, c.req.valid("json").transport), 200);
  });
}

/** The user that name and password prove, or the one refusal. Upgrades an older hash on the way. */
async function authenticate(c: AppContext, typed: string, password: string): Promise<UserRow> {
  if (!canBeLogin(typed)) {
    await decoyWork(password);
    throw new Refusal("invalid_credentials");
  }
  const { user, decoyHash } = await findForLogin(c.env.DB, typed, await decoyPosition(c, typed));
  if (user === null) {
    // Some other user's hash, always the same one for this name, decides what this must cost.
    await (decoyHash === null ? decoyWork(password) : verifyPassword(password, decoyHash));
    throw new Refusal("invalid_credentials");
  }
  const verdict = await verifyPassword(password, user.password_hash);
  const id = asUserId(user.id);
  if (!verdict.matches || user.is_active !== 1 || id === null) throw new Refusal("invalid_credentials");
  if (verdict.needsRehash) {
    await replaceHash(c.env.DB, id, user.password_hash, await hashPassword(password, randomBytes));
  }
  return user;
}

/** A number in [0, 1) that a name always gets, and nobody else can foresee. */
async function decoyPosition(c: AppContext, typed: string): Promise<number> {
  const hash = await keyedHash(serviceOf(c).config, "decoy", usernameKey(typed));
  return new DataView(hash.buffer).getUint32(0) / 2 ** 32;
}
