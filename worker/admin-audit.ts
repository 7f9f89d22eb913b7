/** What admins do, for the audit trail (ADM-06): who, to whom, and how it ended. Written before the answer. */
import type { AuditEvent, EventType } from "../schema/audit-events.ts";
import type { UserId } from "../schema/ids.ts";
import { recordEvents, tell } from "./audit.ts";
import { actorOf } from "./auth/admin.ts";
import { reach } from "./authorities.ts";
import type { AppContext } from "./context.ts";

/** Records one action of the admin or operator whose request this is. One row. */
export async function recordAdminAction(
  c: AppContext,
  type: EventType,
  about: Pick<AuditEvent, "userId" | "details"> & { sid?: string; reason?: string },
): Promise<void> {
  const { now, requestId, client } = c.get("facts");
  const event = {
    id: `${requestId}.${type}`,
    at: now,
    type,
    userId: about.userId,
    actor: actorOf(c),
    sid: about.sid ?? null,
    reason: about.reason ?? null,
    requestId,
    client,
    details: { actor: actorOf(c), ...about.details },
  };
  await reach("database", () => recordEvents(c.env, [event]));
}

/** Tells that an admin looked at what is about one user, or took the trail along: `action` names what. */
export function tellView(c: AppContext, action: string, userId: UserId | null): void {
  const actor = actorOf(c);
  tell(c, { type: "viewed_by_admin", userId, actor, details: { actor, action } });
}

/** Tells that an admin asked for what was so already: `action` names what. */
export function tellWithoutEffect(c: AppContext, action: string, userId: UserId): void {
  const actor = actorOf(c);
  tell(c, { type: "admin_action_without_effect", userId, actor, details: { actor, action } });
}
