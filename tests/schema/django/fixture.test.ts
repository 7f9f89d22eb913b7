/** The way back: what this service hashes, a foreign implementation verifies by Django's own reading of the text. */
import { argon2Sync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ExportedUser, fixtureOf } from "../../../schema/django/fixture.ts";
import { usersOf } from "../../../schema/django/tables.ts";
import { decideAlone } from "../../support/django.ts";

const ada: ExportedUser = {
  id: 7,
  username: "ada",
  email: null,
  password_hash: "argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$x",
  role: "user",
  is_active: 1,
  created_at: 1_735_689_600,
  last_login: null,
  first_name: null,
  last_name: null,
};

test("a user becomes a record of loaddata, with none of Django's columns missing", () => {
  expect(fixtureOf(ada)).toEqual({
    model: "auth.user",
    pk: 7,
    fields: {
      password: ada.password_hash,
      last_login: null,
      is_superuser: false,
      username: "ada",
      first_name: "",
      last_name: "",
      email: "",
      is_staff: false,
      is_active: true,
      date_joined: "2025-01-01T00:00:00.000Z",
    },
  });
});

test("only an admin comes back as superuser and staff, whatever other role there is", () => {
  for (const role of ["user", "editor"]) {
    expect(fixtureOf({ ...ada, role })).toMatchObject({ fields: { is_superuser: false, is_staff: false } });
  }
  expect(fixtureOf({ ...ada, role: "admin" })).toMatchObject({
    fields: { is_superuser: true, is_staff: true },
  });
});

test("what went over comes back the same, to the second", async () => {
  const dump: { model: string; pk: number; fields: Record<string, unknown> }[] = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../vectors/django/dumpdata.json"), "utf8"),
  );
  async function* records() {
    for (const { pk, fields } of dump.filter(({ model }) => model === "auth.user")) {
      yield { table: "auth_user", pk, fields, place: "" };
    }
  }
  const users = await Array.fromAsync(usersOf(records()));
  expect(users).toHaveLength(28);
  for (const user of users) {
    const decision = decideAlone(user);
    if (decision.kind === "refused") throw new Error(decision.reason);
    const { profile, ...row } = decision.row;
    const back = fixtureOf({
      ...row,
      first_name: profile?.first_name ?? null,
      last_name: profile?.last_name ?? null,
    });
    const { groups: _, user_permissions: __, ...fields } = user.fields;
    const seconds = (text: string | null) => text?.replace(/(?:\.\d+)?Z$/, ".000Z") ?? null;
    expect(back).toEqual({
      model: "auth.user",
      pk: user.pk,
      fields: {
        ...fields,
        date_joined: seconds(user.fields.date_joined),
        last_login: seconds(user.fields.last_login),
        is_staff: user.fields.is_superuser,
      },
    });
  }
});

test("MIG-03: a hash made here, which Django 3.2 accepted, is verified as Django takes it apart", () => {
  const encoded =
    "argon2$argon2id$v=19$m=19456,t=2,p=1$dXNRUm1HS2V4ZGNqNDdRelNmRjFoUg$H8A68eDvxZ2jDRk6r0tIaN6Sg0u8ZwsAIV4mqkrm8As";
  // Django: algorithm, rest = encoded.split("$", 1); the rest is the form of argon2-cffi.
  const [algorithm, variety, version, costs = "", salt = "", digest = ""] = encoded.split("$");
  expect([algorithm, variety, version]).toEqual(["argon2", "argon2id", "v=19"]);
  const [, memory, passes, parallelism] = /^m=(\d+),t=(\d+),p=(\d+)$/.exec(costs) ?? [];
  const expected = Buffer.from(digest, "base64");
  const verify = (message: string) =>
    argon2Sync("argon2id", {
      message,
      nonce: Buffer.from(salt, "base64"),
      memory: Number(memory),
      passes: Number(passes),
      parallelism: Number(parallelism),
      tagLength: expected.length,
    }).equals(expected);
  expect([verify("a quiet harbour 27"), verify("a quiet harbour 28")]).toEqual([true, false]);
});
