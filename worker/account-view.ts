/** The account as its owner and admins see it, the same for every route that answers it. */
import { z } from "@hono/zod-openapi";
import { toIso } from "../schema/time.ts";
import type { UserRow } from "../schema/users.ts";
import type { ProfileRow } from "./users.ts";

/** What every view of a user shows. */
const userSchema = z.object({
  id: z.int(),
  username: z.string(),
  email: z.string().nullable(),
  email_verified: z.boolean(),
  role: z.string(),
  created_at: z.iso.datetime(),
  last_login: z.iso.datetime().nullable(),
});

export const managedUserSchema = userSchema.extend({ is_active: z.boolean() }).openapi("ManagedUser");

export const accountSchema = userSchema
  .extend({
    two_factor_enabled: z.boolean(),
    profile: z.object({
      first_name: z.string(),
      last_name: z.string(),
      avatar_url: z.string().nullable(),
      timezone: z.string().nullable(),
      language: z.string().nullable(),
    }),
  })
  .openapi("User");

function userView(row: UserRow): z.infer<typeof userSchema> {
  const { id, username, email, role } = row;
  return {
    id,
    username,
    email,
    email_verified: row.email_verified === 1,
    role,
    created_at: toIso(row.created_at),
    last_login: row.last_login === null ? null : toIso(row.last_login),
  };
}

/** What `managedUserSchema` says of this row: a line of an admin's list. */
export function managedUserView(row: UserRow): z.infer<typeof managedUserSchema> {
  return { ...userView(row), is_active: row.is_active === 1 };
}

/** What `accountSchema` says of this row. */
export function accountView(row: UserRow & ProfileRow): z.infer<typeof accountSchema> {
  const { avatar_url, timezone, language } = row;
  return {
    ...userView(row),
    two_factor_enabled: row.has_second_factor === 1,
    profile: {
      first_name: row.first_name ?? "",
      last_name: row.last_name ?? "",
      avatar_url,
      timezone,
      language,
    },
  };
}
