import { describe, expect, test } from "vitest";
import { decideRole, type Membership, NO_MEMBERSHIP } from "../../../schema/django/roles.ts";
import type { DjangoUser } from "../../../schema/django/tables.ts";

const ROLES = new Set(["admin", "user", "editors", "support"]);
const user = (more: Partial<DjangoUser["fields"]> = {}): DjangoUser => ({
  pk: 7,
  fields: {
    ...{ password: "!", last_login: null, date_joined: "2025-01-01T00:00:00Z", username: "ada" },
    ...{ first_name: "", last_name: "", email: "", is_superuser: false, is_staff: false, is_active: true },
    ...more,
  },
});
const decide = (membership: Partial<Membership>, more: Partial<DjangoUser["fields"]> = {}) =>
  decideRole(user(more), { ...NO_MEMBERSHIP, ...membership }, ROLES);

describe("the role of a user of Django", () => {
  test("a superuser is an admin, whatever the groups", () => {
    expect(decide({ groups: ["editors", "strangers"] }, { is_superuser: true })).toEqual({
      role: "admin",
      notes: [],
    });
  });

  test("the one group that has exactly a role's name", () => {
    expect(decide({ groups: ["editors"] }, { is_staff: true })).toEqual({ role: "editors", notes: [] });
  });

  test.for<[string, Partial<Membership>, string]>([
    ["a group in another case", { groups: ["Editors"] }, 'in the group "Editors", which is no role here'],
    ["a group called admin", { groups: ["admin"] }, "only a superuser becomes an admin"],
    [
      "two groups that are roles",
      { groups: ["editors", "support"] },
      "in several groups that are roles here",
    ],
    ["a group without a name", { unnamedGroups: [4] }, "in group 4, which the export does not name"],
    ["permissions of its own", { hasPermissions: true }, "not taken over"],
  ])("%s: an ordinary user, with a note", ([, membership, note]) => {
    expect(decide(membership)).toEqual({ role: "user", notes: [expect.stringContaining(note)] });
  });

  test("a group called user is what everybody is", () => {
    expect(decide({ groups: ["user"] })).toEqual({ role: "user", notes: [] });
  });

  test("an unknown group beside a known one takes nothing away", () => {
    expect(decide({ groups: ["editors", "beta"] })).toMatchObject({
      role: "editors",
      notes: [expect.any(String)],
    });
  });
});
