/** What happened to a session, as its owner and admins see it, the same for every route that answers it. */
import { z } from "@hono/zod-openapi";
import { toIso } from "../schema/time.ts";
import type { TimelineEvent } from "../schema/user-authority.ts";

export const timelineEventSchema = z
  .object({
    at: z.iso.datetime(),
    type: z.enum(["began", "refreshed", "ended"]),
    /** Why it ended: a stable code. */
    reason: z.string().nullable(),
    client_changed: z.boolean().optional(),
    amr: z.array(z.string()).optional(),
    verdict: z
      .object({
        generation_gap: z.int(),
        age_seconds: z.int(),
        address_changed: z.boolean(),
        user_agent_changed: z.boolean(),
        in_flight: z.int(),
      })
      .optional(),
  })
  .openapi("TimelineEvent");

/** What `timelineEventSchema` says of this event. */
export function timelineEventView(event: TimelineEvent): z.infer<typeof timelineEventSchema> {
  const at = toIso(event.at);
  switch (event.type) {
    case "began":
      return { at, type: event.type, reason: null, amr: event.amr };
    case "refreshed":
      return { at, type: event.type, reason: null, client_changed: event.clientChanged };
    case "ended": {
      const { reason, verdict } = event;
      if (verdict === null) return { at, type: event.type, reason };
      return {
        at,
        type: event.type,
        reason,
        verdict: {
          generation_gap: verdict.generationGap,
          age_seconds: verdict.ageSeconds,
          address_changed: verdict.addressChanged,
          user_agent_changed: verdict.userAgentChanged,
          in_flight: verdict.inFlight,
        },
      };
    }
  }
}
