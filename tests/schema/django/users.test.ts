import { describe, expect, test } from "vitest";
import type { DjangoUser } from "../../../schema/django/tables.ts";
import { type ImportedUser, TEXT_LENGTH_MAX } from "../../../schema/django/users.ts";
import { decideAlone } from "../../support/django.ts";
import dump from "../../vectors/django/dumpdata.json";

const fields: DjangoUser["fields"] = {
  password: "pbkdf2_sha256$260000$c2FsdA$/ZlluufbqfUX3UEUdKkEFQ0RC34PdVlZfsc0diWPBUc=",
  last_login: null,
  date_joined: "2025-01-01T00:00:00Z",
  username: "ada",
  first_name: "",
  last_name: "",
  email: "ada@example.com",
  is_superuser: false,
  is_staff: false,
  is_active: true,
};
const decide = (more: Partial<DjangoUser["fields"]> = {}, pk = 7) =>
  decideAlone({ pk, fields: { ...fields, ...more } });

function rowOf(more: Partial<DjangoUser["fields"]>): ImportedUser {
  const decision = decide(more);
  if (decision.kind === "refused") throw new Error(decision.reason);
  return decision.row;
}

function notesOf(more: Partial<DjangoUser["fields"]>): readonly string[] {
  const decision = decide(more);
  return decision.kind === "row" ? decision.notes : [];
}

function fixture(pk: number): DjangoUser {
  for (const record of dump) {
    const { fields } = record;
    if (record.model !== "auth.user" || record.pk !== pk || !("date_joined" in fields)) continue;
    if (fields.date_joined !== undefined) return { pk, fields };
  }
  throw new Error(`no user ${pk}`);
}

describe("a user of Django becomes", () => {
  test("one row with every column, exact where Django is exact", () => {
    expect(decideAlone(fixture(40_122))).toEqual({
      kind: "row",
      notes: [],
      row: {
        id: 40_122,
        username: "ridge.2484",
        username_key: "ridge.2484",
        email: "ridge.2484@dev.example",
        email_key: "ridge.2484@dev.example",
        email_verified: 0,
        password_hash:
          "pbkdf2_sha256$870000$iHj4Yueggur6JTWNYQuyiL$WPzn51O53lLwOwegSQXL8BMedJsfkEjVtLmrNzCkJMQ=",
        role: "admin",
        is_active: 1,
        created_at: 1_750_227_442,
        last_login: 1_751_357_350,
        profile: { first_name: "Vera", last_name: "Okoro" },
      },
    });
  });

  test("names in their own spelling, with the key of names that only differ in case", () => {
    expect(rowOf({ username: "Casey1319" })).toMatchObject({
      username: "Casey1319",
      username_key: "casey1319",
    });
    expect(rowOf({ username: "\uff21da \u00df" })).toMatchObject({
      username: "\uff21da \u00df",
      username_key: "ada ss",
    });
  });

  test("an empty e-mail is none, as null is", () => {
    for (const email of ["", null]) expect(rowOf({ email })).toMatchObject({ email: null, email_key: null });
  });

  test("an e-mail keeps its spelling and is not verified", () => {
    const expected = { email: "First.Last+tag@dev.Example", email_key: "first.last+tag@dev.example" };
    expect(rowOf({ email: "First.Last+tag@dev.Example" })).toMatchObject({ ...expected, email_verified: 0 });
  });

  test("the password column stays to the letter; an empty one becomes unusable", () => {
    for (const password of ["!tsNULyTnY8AaI91umg6L", "md5$a$b", " pbkdf2_sha256$1$ ", "plain"]) {
      expect(rowOf({ password }).password_hash).toBe(password);
    }
    expect(rowOf({ password: "" }).password_hash).toBe("!");
  });

  test("only a superuser is an admin", () => {
    expect(rowOf({ is_staff: true }).role).toBe("user");
    expect(rowOf({ is_superuser: true }).role).toBe("admin");
  });

  test("who is inactive stays inactive", () => expect(rowOf({ is_active: false }).is_active).toBe(0));

  test("a profile only where there is a name", () => {
    expect(rowOf({}).profile).toBeNull();
    expect(rowOf({ last_name: "O" }).profile).toEqual({ first_name: "", last_name: "O" });
  });

  test.for([
    ["2025-06-01T20:35:11.999Z", 1_748_810_111],
    ["2025-06-01T22:35:11+02:00", 1_748_810_111],
    ["2025-06-01 20:35:11.871409+00", 1_748_810_111],
    ["2025-06-01T15:05:11-0530", 1_748_810_111],
    ["2025-06-01T20:35:11", 1_748_810_111],
    ["1969-12-31T23:59:58.500Z", -2],
    ["2024-02-29T12:00:00Z", 1_709_208_000],
  ] as const)("%s in whole seconds since 1970", ([text, at]) => {
    expect(rowOf({ date_joined: text, last_login: text })).toMatchObject({ created_at: at, last_login: at });
  });
});

describe("refused is only what the tables cannot hold", () => {
  test.for<[string, Partial<DjangoUser["fields"]>, RegExp]>([
    ["no user name", { username: "" }, /empty/],
    ["a user name of 151 characters", { username: "\u{1f991}".repeat(151) }, /longer than 150/],
    ["a NUL in the user name", { username: "a\0b" }, /NUL/],
    ["half a surrogate pair", { first_name: "\ud83e" }, /^first_name has half a surrogate pair/],
    ["a text without end", { last_name: "x".repeat(TEXT_LENGTH_MAX + 1) }, /^last_name is too long/],
    ["a day that does not exist", { date_joined: "2025-02-30T00:00:00Z" }, /^date_joined/],
    ["a date without a time", { date_joined: "2025-02-03" }, /^date_joined/],
    ["a login that is no date", { last_login: "never" }, /^last_login/],
  ])("%s", ([, more, reason]) => {
    expect(decide(more)).toEqual({ kind: "refused", reason: expect.stringMatching(reason) });
  });

  test.for([0, -1, 1.5, 2 ** 52 + 1, 2 ** 53])("the id %d", (pk) => {
    expect(decide({}, pk)).toMatchObject({
      kind: "refused",
      reason: "the id is not a positive integer up to 2^52",
    });
  });

  test.for(["\u{1f991}".repeat(150), " ", "a/b", "x@y.example", "\u5c71\u7530.\u592a\u90ce"])(
    "but not the user name %j",
    (username) => expect(rowOf({ username }).username).toBe(username),
  );

  test("but none of the 28 users of a real table", () => {
    const users = dump.filter(({ model }) => model === "auth.user");
    expect(users).toHaveLength(28);
    for (const { pk } of users) expect(decideAlone(fixture(Number(pk))).kind).toBe("row");
  });
});

describe("notes say what is unusual", () => {
  test.for<[Partial<DjangoUser["fields"]>, string]>([
    [{ password: "" }, "no usable password"],
    [{ password: "bcrypt_sha256$$2b$12$N" }, "needs a reset, its hash cannot be verified: malformed"],
    [
      { password: "argon2$argon2id$v=19$m=102400,t=2,p=8$Y3lYcEhQc3g$RjEGq49pGHCsMyGCLJRW/w" },
      "above the ceiling",
    ],
    [{ username: "a b" }, "a new account may not have"],
    [{ username: "\uff21da" }, "NFKC"],
    [{ username: "bob@example.com" }, "reads like an e-mail address"],
    [{ email: "None" }, "e-mail that a new account may not have"],
    [{ is_staff: true }, "becomes an ordinary user"],
    [{ date_joined: "2025-01-01T00:00:00" }, "taken for UTC"],
    [{ last_login: "2025-01-01T00:00:00" }, "taken for UTC"],
  ])("%j", ([more, note]) => {
    expect(notesOf(more)).toEqual([expect.stringContaining(note)]);
  });

  test("and nothing of what is usual", () => {
    expect(notesOf({ is_superuser: true, is_staff: true, last_login: "2025-01-01T00:00:00+02:00" })).toEqual(
      [],
    );
  });
});
