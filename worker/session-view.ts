/** A session as its owner and admins see it, the same for every route that answers it. */
import { z } from "@hono/zod-openapi";
import bowser from "bowser";
import { toIso } from "../schema/time.ts";
import type { SessionView } from "../schema/user-authority.ts";

export const sessionSchema = z
  .object({
    id: z.string(),
    current: z.boolean(),
    created_at: z.iso.datetime(),
    last_seen_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
    ip: z.string().nullable(),
    country: z.string().nullable(),
    user_agent: z.string().nullable(),
    device: z.string().nullable(),
    amr: z.array(z.string()),
  })
  .openapi("Session");

/** What `sessionSchema` says of this session; `currentSid` is the one that asks, null for an admin. */
export function sessionView(view: SessionView, currentSid: string | null): z.infer<typeof sessionSchema> {
  const { client } = view;
  return {
    id: view.sid,
    current: view.sid === currentSid,
    created_at: toIso(view.createdAt),
    last_seen_at: toIso(view.lastUsedAt),
    expires_at: toIso(view.expiresAt),
    ip: client.ip,
    country: client.country,
    user_agent: client.userAgent,
    device: view.deviceName ?? deviceOf(client.userAgent),
    amr: view.amr,
  };
}

/** "Firefox on Linux", for a person to recognise; decides nothing. */
function deviceOf(userAgent: string | null): string | null {
  if (userAgent === null || userAgent === "") return null;
  const { browser, os } = bowser.parse(userAgent);
  const names = [browser.name, os.name].filter((name) => name !== undefined && name !== "");
  return names.length === 0 ? null : names.join(" on ");
}
