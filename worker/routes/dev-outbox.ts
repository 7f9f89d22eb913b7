/** `GET /dev/outbox?to=`: the mail of a development service, which is never sent. Elsewhere the path does not exist. */
import { z } from "@hono/zod-openapi";
import { toIso } from "../../schema/time.ts";
import { reach } from "../authorities.ts";
import { type App, serviceOf } from "../context.ts";
import { defineRoute, jsonAnswer, problemAnswers, serve } from "../http/route.ts";
import { keptMessages } from "../mail/dev-outbox.ts";

const messageSchema = z
  .object({
    to: z.string(),
    subject: z.string(),
    text: z.string(),
    html: z.string(),
    created_at: z.iso.datetime(),
  })
  .openapi("Message");

const route = defineRoute(
  { access: "public", tier: "none", limits: [], cost: "1 D1 query" },
  {
    method: "get",
    path: "/dev/outbox",
    summary: "The latest mail, newest first (development only)",
    request: { query: z.object({ to: z.string().optional() }) },
    responses: {
      200: jsonAnswer("The messages", z.object({ messages: z.array(messageSchema) })),
      ...problemAnswers(404, 503),
    },
  },
);

export function mountDevOutbox(app: App): void {
  serve(app, route, async (c) => {
    const { to } = c.req.valid("query");
    const kept = await reach("database", () => keptMessages(c.env.DB, serviceOf(c).config, to ?? null));
    const messages = kept.map(({ createdAt, ...message }) => ({ ...message, created_at: toIso(createdAt) }));
    return c.json({ messages }, 200, { "Cache-Control": "no-store" });
  });
}
