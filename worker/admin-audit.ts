/** What admins do, for the audit trail (ADM-06): who, to whom, and how it ended. */
import type { AuditEvent, EventType } from "../schema/audit-events.ts";
import { parseUserId, type UserId } from "../schema/ids.ts";
import { eventOf, recordEvents, tell } from "./audit.ts";
import { actorOf } from "./auth/admin.ts";
import { reach } from "./authorities.ts";
import { type AppContext, routeOf } from "./context.ts";

const SAFE_METHODS = ["GET", "HEAD"];
const OF_A_USER = "/api/admin/users/:id";

type About = Pick<AuditEvent, "userId" | "details"> & { sid?: string; reason?: string };

/** One action of the admin or operator whose request this is, for whoever writes it down. */
export function adminEvent(c: AppContext, type: EventType, { details, ...about }: About): AuditEvent {
  return eventOf(c, { type, ...about, details: { actor: actorOf(c), ...details } });
}

/** Records an action that is no change in D1 before the answer. One row. */
export async function recordAdminAction(c: AppContext, type: EventType, about: About): Promise<void> {
  c.set("isTold", true);
  await reach("database", () => recordEvents(c.env, [adminEvent(c, type, about)]));
}

/** Tells that an admin looked at what is about one user, or took the trail along: `action` names what. */
export function tellView(c: AppContext, action: string, userId: UserId | null): void {
  tell(c, adminEvent(c, "viewed_by_admin", { userId, details: { action } }));
}

/** Tells that an admin asked for what was so already: `action` names what. */
export function tellWithoutEffect(c: AppContext, action: string, userId: UserId | null): void {
  tell(c, adminEvent(c, "admin_action_without_effect", { userId, details: { action } }));
}

/**
 * At the end of every request: one of an admin that told nothing itself is told, after the answer.
 * A change that was made has told, or its object does.
 */
export function tellAdminRequest(c: AppContext): void {
  const isChange = !SAFE_METHODS.includes(c.req.method) && c.res.ok;
  if (c.get("actor") === null || c.get("isTold") || isChange) return;
  const route = routeOf(c);
  const userId = route.startsWith(OF_A_USER) ? parseUserId(c.req.param("id") ?? "") : null;
  const details = { action: `${c.req.method} ${route}`, status: c.res.status };
  tell(c, adminEvent(c, "admin_request", { userId, details }));
}
