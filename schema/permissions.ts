/** Roles, and what they may do: `resource:action`, either half `*` for all. Default deny. Pure. */
import { z } from "zod";

/** The role whose holders may use the admin routes. It always has every permission. */
export const ADMIN_ROLE = "admin";
export const EVERYTHING = "*:*";
/** More of either is nobody's intention, and every edge holds all of them in memory. */
export const ROLES_MAX = 100;
export const PERMISSIONS_MAX = 50;

const ROLE = /^[a-z][a-z0-9_-]{0,31}$/;
const PERMISSION = /^(?:\*|[a-z][a-z0-9_-]{0,31}):(?:\*|[a-z][a-z0-9_-]{0,31})$/;

/** True for a name that a role can have. */
export function isRoleName(name: string): boolean {
  return ROLE.test(name);
}

/** A list of permissions as it is sent: each once, in one order. Compared text against text. */
export const permissionList = z
  .array(z.string().regex(PERMISSION, "must be resource:action, in lower case, or * for either"))
  .max(PERMISSIONS_MAX)
  .transform((permissions) => [...new Set(permissions)].sort());

/** The permissions in a stored JSON array; what is not one of ours grants nothing. */
export function storedPermissions(json: string): string[] {
  try {
    const list = permissionList.safeParse(JSON.parse(json));
    return list.success ? list.data : [];
  } catch {
    return [];
  }
}

/**
 * True if the granted permissions cover what is wanted: a permission, or several separated by spaces
 * as in a `scope`, each of them. A wanted `*` only a granted `*` covers.
 */
export function isAllowed(granted: readonly string[], wanted: string): boolean {
  return wanted.split(" ").every((each) => {
    const [resource, action] = each.split(":");
    return granted.some((one) => {
      const [ofResource, ofAction] = one.split(":");
      return (ofResource === "*" || ofResource === resource) && (ofAction === "*" || ofAction === action);
    });
  });
}

/** What both lists allow, each once, in one order: `files:*` and `*:read` have `files:read` in common. */
export function commonPermissions(one: readonly string[], other: readonly string[]): string[] {
  const pairs = one.flatMap((mine) => other.map((theirs) => [mine.split(":"), theirs.split(":")] as const));
  const common = pairs.map(([mine, theirs]) => {
    const halves = [commonHalf(mine[0], theirs[0]), commonHalf(mine[1], theirs[1])];
    return halves.includes(undefined) ? [] : [halves.join(":")];
  });
  return [...new Set(common.flat())].sort();
}

function commonHalf(one: string | undefined, other: string | undefined): string | undefined {
  if (one === "*") return other;
  return other === "*" || other === one ? one : undefined;
}

/** The claim `scope` (RFC 9068 §2.2.3): space-separated; undefined where there is none to name. */
export function scopeOf(permissions: readonly string[]): string | undefined {
  return permissions.length === 0 ? undefined : permissions.join(" ");
}
