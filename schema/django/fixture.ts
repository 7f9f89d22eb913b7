/** The way back: an account as `manage.py loaddata` takes it. Pure. */
import { type NumericDate, toIso } from "../time.ts";

export type ExportedUser = {
  readonly id: number;
  readonly username: string;
  readonly email: string | null;
  readonly password_hash: string;
  readonly role: string;
  readonly is_active: number;
  readonly created_at: NumericDate;
  readonly last_login: NumericDate | null;
  readonly first_name: string | null;
  readonly last_name: string | null;
};

/**
 * One record of `auth.user`. The hash goes as it is: every one that this service makes or keeps is in Django's own
 * encoding. Only an admin becomes staff; groups are not named, so that `loaddata` leaves those that are there.
 */
export function fixtureOf(user: ExportedUser): object {
  const isAdmin = user.role === "admin";
  return {
    model: "auth.user",
    pk: user.id,
    fields: {
      password: user.password_hash,
      last_login: user.last_login === null ? null : toIso(user.last_login),
      is_superuser: isAdmin,
      username: user.username,
      first_name: user.first_name ?? "",
      last_name: user.last_name ?? "",
      email: user.email ?? "",
      is_staff: isAdmin,
      is_active: user.is_active === 1,
      date_joined: toIso(user.created_at),
    },
  };
}
