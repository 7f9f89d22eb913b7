import { describe, expect, test } from "vitest";
import {
  decideImport,
  hashDigest,
  type ImportDecision,
  type Present,
  type PresentUser,
} from "../../../schema/django/decide-import.ts";
import type { ImportedUser } from "../../../schema/django/users.ts";
import { decideAlone } from "../../support/django.ts";

const NOTHING: Present = { byId: null, idOfUsername: null, isDeleted: false };
const decided = decideAlone({
  pk: 7,
  fields: {
    password: "django-hash",
    last_login: null,
    date_joined: "2025-01-01T00:00:00Z",
    username: "ada",
    first_name: "Ada",
    last_name: "",
    email: "ada@example.com",
    is_superuser: false,
    is_staff: false,
    is_active: true,
  },
});
if (decided.kind === "refused") throw new Error(decided.reason);
const then = decided.row;

/** The account as an import of `then` left it, with what was changed here since. */
function here(changes: Partial<PresentUser> = {}): Present {
  const first = decideImport(then, NOTHING);
  if (first.kind !== "imported") throw new Error(first.kind);
  const { profile, ...columns } = then;
  const names = profile ?? { first_name: null, last_name: null };
  const byId = { ...columns, ...names, version: 3, imported: first.digests, renewedDigest: null, ...changes };
  return { byId, idOfUsername: byId.id, isDeleted: false };
}
const reimport = (now: Partial<ImportedUser>, changes: Partial<PresentUser> = {}): ImportDecision =>
  decideImport({ ...then, ...now }, here(changes));

describe("a user who is not here", () => {
  test("is imported", () => expect(decideImport(then, NOTHING).kind).toBe("imported"));

  test("is refused if another account has exactly the user name", () => {
    const decision = decideImport(then, { ...NOTHING, idOfUsername: 12 });
    expect(decision).toEqual({ kind: "refused", reason: "the user name belongs to account 12 here" });
  });

  test("is not brought back if deleted here", () => {
    const decision = decideImport(then, { ...NOTHING, isDeleted: true });
    expect(decision).toEqual({ kind: "refused", reason: "deleted here since it was imported" });
  });
});

describe("an id that is taken", () => {
  test("by an account of another name that was made here is refused", () => {
    expect(reimport({}, { username: "Ada", imported: null })).toEqual({
      kind: "refused",
      reason: "the id belongs to an account with another name here",
    });
  });

  test("by an account of the same name that was made here is refused", () => {
    expect(reimport({}, { imported: null })).toMatchObject({
      kind: "refused",
      reason: "id and name belong to an account that was made here",
    });
  });
});

describe("what Django did not change is unchanged", () => {
  test.for<[string, Partial<PresentUser>]>([
    ["untouched here", {}],
    ["signed in here", { last_login: 1_800_000_000 }],
    ["renewed the hash here", { password_hash: "argon2$new", last_login: 1_800_000_000 }],
    ["changed here", { email: null, email_key: null, role: "admin", is_active: 0, first_name: "A" }],
  ])("%s", ([, changes]) => expect(reimport({}, changes)).toEqual({ kind: "unchanged" }));
});

describe("a user who was renamed in Django", () => {
  const renamed = { username: "countess", username_key: "countess" };
  const taken = (now: Partial<ImportedUser>, changes: Partial<PresentUser> = {}) =>
    decideImport({ ...then, ...renamed, ...now }, { ...here(changes), idOfUsername: 12 });
  const free = (now: Partial<ImportedUser>, changes: Partial<PresentUser> = {}) =>
    decideImport({ ...then, ...renamed, ...now }, { ...here(changes), idOfUsername: null });
  const REASON = "renamed in Django to the name of account 12 here: keeps its name";

  test("gets the new name where it is free, and all else", () => {
    expect(free({ is_active: 0 })).toMatchObject({
      kind: "updated",
      notes: [],
      update: { ...renamed, is_active: 0 },
    });
  });

  test("is refused where the account was changed here, too", () => {
    expect(free({}, { role: "admin" })).toMatchObject({ kind: "refused" });
  });

  test("keeps the name where another account has the new one; the rest is taken over", () => {
    const decision = taken({ is_active: 0, password_hash: "django-new" });
    expect(decision).toMatchObject({
      kind: "updated",
      notes: [REASON],
      update: { username: "ada", username_key: "ada", is_active: 0, password_hash: "django-new" },
    });
    if (decision.kind !== "updated") throw new Error(decision.kind);
    const { digests: imported, profile: _, ...columns } = decision.update;
    const later = { is_active: 0, password_hash: "django-new" } as const;
    expect(taken(later, { ...columns, imported }), "told again").toEqual({ kind: "refused", reason: REASON });
    expect(free(later, { ...columns, imported }), "once it is free").toMatchObject({
      kind: "updated",
      update: renamed,
    });
  });

  test("is refused where nothing else changed and the name is another's", () => {
    expect(taken({})).toEqual({ kind: "refused", reason: REASON });
  });
});

describe("what Django changed", () => {
  const email = { email: "ada@new.example", email_key: "ada@new.example" };

  test("is taken over where nothing was touched here", () => {
    const now = {
      ...email,
      role: "admin",
      is_active: 0,
      password_hash: "django-new",
      last_login: 9,
    } as const;
    expect(reimport(now)).toMatchObject({ kind: "updated", notes: [], update: now });
  });

  test("is taken over beside a hash that was renewed here, which stays", () => {
    const renewedDigest = hashDigest("argon2$new");
    const decision = reimport({ is_active: 0 }, { password_hash: "argon2$new", renewedDigest });
    expect(decision).toMatchObject({
      kind: "updated",
      update: { is_active: 0, password_hash: "argon2$new" },
    });
  });

  test("of names is taken over, to none as well", () => {
    const profile = { first_name: "", last_name: "" };
    expect(reimport({ profile: null })).toMatchObject({ kind: "updated", update: { profile } });
  });

  test("is refused where the account was changed here too", () => {
    expect(reimport(email, { role: "admin" })).toEqual({
      kind: "refused",
      reason: "changed in Django and here since it was imported",
    });
  });

  test("is unchanged where the same was changed here too", () => {
    expect(reimport(email, email)).toEqual({ kind: "unchanged" });
  });

  test("of a password is taken over beside a change of the account here, which stays", () => {
    const decision = reimport({ password_hash: "django-new" }, { role: "admin" });
    expect(decision).toMatchObject({
      kind: "updated",
      update: { password_hash: "django-new", role: "admin" },
    });
  });

  test("of a password replaces a hash that a sign-in here merely renewed", () => {
    const renewedDigest = hashDigest("argon2$renewed");
    const now = { password_hash: "django-new" };
    expect(reimport(now, { password_hash: "argon2$renewed", renewedDigest })).toMatchObject({
      kind: "updated",
      notes: [],
      update: { password_hash: "django-new" },
    });
    expect(reimport(now, { password_hash: "argon2$changed-after", renewedDigest }).kind).toBe("refused");
  });

  test("of a password never overwrites one that was changed here", () => {
    const decision = reimport({ password_hash: "django-new" }, { password_hash: "argon2$new" });
    expect(decision).toEqual({ kind: "refused", reason: expect.stringContaining("stays as it is here") });
  });

  test("of a password that may not be taken over stops nothing else, and is told again", () => {
    const now = { password_hash: "django-new", is_active: 0 } as const;
    const first = reimport(now, { password_hash: "argon2$new" });
    if (first.kind !== "updated") throw new Error(first.kind);
    expect(first.update).toMatchObject({ is_active: 0, password_hash: "argon2$new" });
    expect(first.notes).toEqual([expect.stringContaining("stays as it is here")]);
    const { digests: imported, profile: _, ...columns } = first.update;
    expect(reimport(now, { ...columns, imported })).toMatchObject({ kind: "refused" });
  });

  test("of the last login is taken over if it is later", () => {
    expect(reimport({ last_login: 9 }, { last_login: 8 })).toMatchObject({ update: { last_login: 9 } });
    expect(reimport({ last_login: 9 }, { last_login: 10 })).toEqual({ kind: "unchanged" });
    expect(reimport({ ...email, last_login: 9 }, { last_login: 10 })).toMatchObject({
      update: { last_login: 10 },
    });
  });
});
