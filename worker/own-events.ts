/** What of an event about a user the user may see. Pure. */
import type { UserId } from "../schema/ids.ts";

/** What tells where a request came from. */
const PLACE = ["ip", "country", "city", "user_agent"] as const;

/**
 * An event as the user whom it is about sees it. From where it was done is shown if the user did it,
 * or nobody knows who: where an admin or the operator sat is theirs, and so is who it was.
 */
export function asOwnEvent<Event extends { actor: string | null }>(
  { actor, ...event }: Event,
  userId: UserId,
): Omit<Event, "actor"> {
  if (actor === null || actor === "system" || actor === `user:${userId}`) return event;
  const hidden = PLACE.filter((member) => member in event).map((member) => [member, null]);
  return { ...event, ...Object.fromEntries(hidden) };
}
