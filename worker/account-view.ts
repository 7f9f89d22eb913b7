/** The account as its owner sees it, the same for every route that answers it. */
import { z } from "@hono/zod-openapi";
import { toIso } from "../schema/time.ts";
import type { UserRow } from "../schema/users.ts";
import type { ProfileRow } from "./users.ts";

export const accountSchema = z
  .object({
    id: z.int(),
    username: z.string(),
    email: z.string().nullable(),
    email_verified: z.boolean(),
    role: z.string(),
    two_factor_enabled: z.boolean(),
    created_at: z.iso.datetime(),
    last_login: z.iso.datetime().nullable(),
    profile: z.object({
      first_name: z.string(),
      last_name: z.string(),
      avatar_url: z.string().nullable(),
      timezone: z.string().nullable(),
      language: z.string().nullable(),
    }),
  })
  .openapi("User");

/** What `accountSchema` says of this row. */
export function accountView(row: UserRow & ProfileRow): z.infer<typeof accountSchema> {
  const { id, username, email, role, avatar_url, timezone, language } = row;
  return {
    id,
    username,
    email,
    email_verified: row.email_verified === 1,
    role,
    two_factor_enabled: row.has_second_factor === 1,
    created_at: toIso(row.created_at),
    last_login: row.last_login === null ? null : toIso(row.last_login),
    profile: {
      first_name: row.first_name ?? "",
      last_name: row.last_name ?? "",
      avatar_url,
      timezone,
      language,
    },
  };
}
