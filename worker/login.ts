/** What both steps of a login share: what a client may wish for its session, and the answer of a whole login. */
import { z } from "@hono/zod-openapi";
import type { SessionGrant } from "../schema/user-authority.ts";
import { tell } from "./audit.ts";
import { type KnownDevice, signDeviceToken } from "./auth/device.ts";
import { type AppContext, serviceOf } from "./context.ts";
import { handOver, tokenAnswer, type transport } from "./tokens/token-answer.ts";
import { recordLogin } from "./users.ts";

const DEVICE_NAME_LENGTH_MAX = 100;

export const deviceName = z.string().max(DEVICE_NAME_LENGTH_MAX).nullish();

/** 200: the tokens of a session that has just begun, and the token that makes this client known. */
export async function answerLogin(
  c: AppContext,
  grant: SessionGrant,
  device: KnownDevice | null,
  by: z.infer<typeof transport>,
) {
  const { id } = grant.user;
  const { now } = c.get("facts");
  c.executionCtx.waitUntil(recordLogin(c.env.DB, id, now).catch(() => undefined));
  tell(c, { type: "login_succeeded", userId: id, actor: `user:${id}`, sid: grant.sid });
  const pair = await tokenAnswer(serviceOf(c), grant, "Login successful");
  const device_token = await signDeviceToken(serviceOf(c), device, grant.user, now);
  return c.json(handOver(c, { ...pair, device_token }, by), 200);
}
