/** A row of `users` as the edge reads it, and what the objects hear of it. */
import type { Role } from "./claims.ts";
import { asUserId } from "./ids.ts";
import type { NumericDate } from "./time.ts";
import type { UserState } from "./user-authority.ts";

export type UserRow = {
  id: number;
  username: string;
  email: string | null;
  email_verified: number;
  password_hash: string;
  role: Role;
  is_active: number;
  version: number;
  /** The version at which the password was last changed. As a change answers it (RETURNING), it is still the one before. */
  password_version: number;
  created_at: NumericDate;
  last_login: NumericDate | null;
  has_second_factor: number;
};

/** The part of a user that tokens and decisions need. */
export function userState(row: UserRow): UserState {
  const id = asUserId(row.id);
  if (id === null) throw new Error("users.id is a positive integer");
  const { username, email, role, version } = row;
  return { id, username, email, role, isActive: row.is_active === 1, version };
}
