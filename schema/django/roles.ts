/** Which role here a user of Django gets. Nothing is guessed: a right that no name stands for is not given. Pure. */
import type { Role } from "../claims.ts";
import { ADMIN_ROLE } from "../permissions.ts";
import type { DjangoUser } from "./tables.ts";

const ORDINARY_ROLE = "user";

/** What Django's tables say of a user beside the user's own row. */
export type Membership = {
  /** Names. */
  readonly groups: readonly string[];
  /** Ids of groups that the export has no name for. */
  readonly unnamedGroups: readonly number[];
  readonly hasPermissions: boolean;
};

export const NO_MEMBERSHIP: Membership = { groups: [], unnamedGroups: [], hasPermissions: false };

/** `notes` say what of Django's rights was left behind. */
export type Rights = { readonly role: Role; readonly notes: readonly string[] };

/** True for a role that a group of the same name stands for; the two that every service has are given otherwise. */
export function isGrantedByGroup(group: string, roles: ReadonlySet<string>): boolean {
  return roles.has(group) && group !== ADMIN_ROLE && group !== ORDINARY_ROLE;
}

/**
 * A superuser is an admin, and nobody else is. Else the one group that has exactly the name of a role here decides;
 * with several of them an operator has to. `roles` are the names of those that there are here.
 */
export function decideRole(
  { fields }: DjangoUser,
  { groups, unnamedGroups, hasPermissions }: Membership,
  roles: ReadonlySet<string>,
): Rights {
  if (fields.is_superuser) return { role: ADMIN_ROLE, notes: [] };
  const granting = groups.filter((group) => isGrantedByGroup(group, roles));
  const [role = ORDINARY_ROLE] = granting.length === 1 ? granting : [];
  const shown = JSON.stringify;
  const notes: (string | false)[] = [
    ...groups
      .filter((group) => !roles.has(group))
      .map((group) => `in the group ${shown(group)}, which is no role here`),
    ...unnamedGroups.map((id) => `in group ${id}, which the export does not name`),
    groups.includes(ADMIN_ROLE) && `in the group ${shown(ADMIN_ROLE)}: only a superuser becomes an admin`,
    granting.length > 1 &&
      `in several groups that are roles here, ${shown(granting)}: becomes an ordinary user`,
    hasPermissions && "permissions of its own in Django, not taken over",
    fields.is_staff && role === ORDINARY_ROLE && "staff, not superuser: becomes an ordinary user",
  ];
  return { role, notes: notes.filter((note) => note !== false) };
}
