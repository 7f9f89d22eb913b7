import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readUsers } from "../../../schema/django/dumpdata.ts";
import { ELEMENT_BYTES_MAX } from "../../../schema/django/json-array.ts";
import { SourceError } from "../../../schema/django/record.ts";
import type { DjangoUser } from "../../../schema/django/tables.ts";

const vector = (name: string) => readFileSync(join(import.meta.dirname, "../../vectors/django", name));
const HASH = "pbkdf2_sha256$260000$c2FsdA$c2VjcmV0";
const fields = {
  password: HASH,
  last_login: null,
  is_superuser: false,
  username: "ada",
  first_name: "",
  last_name: "",
  email: "",
  is_staff: false,
  is_active: true,
  date_joined: "2025-01-01T00:00:00Z",
};
const user = (more: object = {}) => ({ model: "auth.user", pk: 7, fields: { ...fields, ...more } });

async function* inChunks(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(input: Uint8Array | string, chunkSize = 65_536): Promise<DjangoUser[]> {
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  return Array.fromAsync(readUsers(inChunks(bytes, chunkSize)));
}

async function complaint(input: Uint8Array | string): Promise<string> {
  const error = await read(input).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SourceError);
  return error instanceof Error ? error.message : "";
}

describe("what Django wrote", () => {
  test("all 28 users are read in the order of the file, with their ids", async () => {
    const users = await read(vector("dumpdata.json"));
    expect(users).toHaveLength(28);
    expect([users[0]?.pk, users[27]?.pk]).toEqual([101, 2_147_483_539]);
    expect(users.find(({ pk }) => pk === 40_117)?.fields).toMatchObject({
      first_name: 'Ann "Nan"',
      last_name: "de la Cruz, PhD\nEsq.",
      last_login: "2019-12-31T09:59:59.999Z",
    });
  });

  test("natural foreign keys make no difference but that groups have names", async () => {
    const [natural, numbered] = [
      await read(vector("dumpdata-natural-foreign.json")),
      await read(vector("dumpdata.json")),
    ];
    const groupless = ({ pk, fields: { groups: _, user_permissions: __, ...fields } }: DjangoUser) => ({
      pk,
      fields,
    });
    expect(natural.map(groupless)).toEqual(numbered.map(groupless));
    const groupsOf = (users: DjangoUser[]) => users.find(({ pk }) => pk === 40_118)?.fields.groups;
    expect([groupsOf(natural), groupsOf(numbered)]).toEqual([
      ["editors", "beta"],
      [1, 4],
    ]);
  });

  test("a record or a character may be cut anywhere by the chunks", async () => {
    const whole = await read(vector("dumpdata.json"));
    for (const size of [1, 7, 1_000]) expect(await read(vector("dumpdata.json"), size)).toEqual(whole);
  });
});

describe("what is read", () => {
  test("brackets, commas, quotes and backslashes inside of text end nothing", async () => {
    const username = '}],{["\\"]}\\';
    const [first, second] = await read(JSON.stringify([user({ username }), user()]), 3);
    expect(first?.fields.username).toBe(username);
    expect(second?.fields.username).toBe("ada");
  });

  test("fields that are not used are dropped, records of other models are passed over", async () => {
    const other = { model: "sessions.session", pk: "abc", fields: { session_data: "x" } };
    expect(await read(JSON.stringify([other, { ...user({ phone: 1 }), extra: [] }]))).toEqual([
      { pk: 7, fields },
    ]);
  });

  test("an e-mail may be null", async () => {
    expect((await read(JSON.stringify([user({ email: null })])))[0]?.fields.email).toBeNull();
  });

  test("an empty array has no users", async () => expect(await read(" [\n]\n")).toEqual([]));

  test("a UTF-8 byte order mark is passed over", async () => {
    expect(await read(`\ufeff${JSON.stringify([user()])}`)).toHaveLength(1);
  });
});

describe("a file that is not as it should be is refused, with the place", () => {
  const one = JSON.stringify(user());
  const utf16 = Uint8Array.from(Buffer.from(`\ufeff[${one}]`, "utf16le"));
  const latin1 = Uint8Array.from(
    Buffer.from(JSON.stringify([user(), user({ username: "J\u00fcrgen" })]), "latin1"),
  );
  const { username: _, ...nameless } = fields;

  test.for<[string, Uint8Array | string, string]>([
    ["nothing in it", "", "the file is empty"],
    ["only space in it", " \n", "the file is empty"],
    ["a line before the array", `System check\n[${one}]`, "line 1, byte 0: not a JSON array"],
    ["one record a line", `${one}\n${one}`, "line 1, byte 0: not a JSON array"],
    ["UTF-16", utf16, "line 1, byte 0: the file is UTF-16"],
    ["compressed", Uint8Array.of(0x1f, 0x8b, 8), "line 1, byte 0: the file is compressed"],
    ["Latin-1", latin1, `record 2 (line 1, byte ${one.length + 2}) is not UTF-8`],
    [
      "cut off inside of a record",
      `[\n${one},\n${one.slice(0, -9)}`,
      "the file ends inside record 2 (line 3, byte",
    ],
    ["cut off after a comma", `[${one},`, "the file ends after record 1 (line 1, byte 1)"],
    ["cut off before the bracket", `[${one}\n`, "the file ends after record 1 (line 1, byte 1)"],
    ["no comma between records", `[${one}\n${one}]`, "line 2, byte"],
    ["two commas", `[${one},,${one}]`, "expected a record in braces, found the byte 0x2c"],
    ["a comma before the end", `[${one},]`, "expected a record in braces, found the byte 0x5d"],
    ["an element that is no record", "[1]", "expected a record in braces, found the byte 0x31"],
    ["text after the end", `[${one}]\n]`, "line 2, byte"],
    ["a record that is not JSON", `[${one},{"model":auth.user}]`, "record 2 (line 1, byte"],
    ["brackets that do not match", '[{"model":"auth.user"]]', "record 1 (line 1, byte 1) is not JSON"],
    ["no model", '[{"pk":1}]', "record 1 (line 1, byte 1): model: Invalid input: expected string"],
    ["no pk", JSON.stringify([{ model: "auth.user", fields }]), "pk: Invalid input: expected number"],
    [
      "no field",
      JSON.stringify([{ model: "auth.user", pk: 7, fields: nameless }]),
      ", pk 7: fields.username: ",
    ],
    ["a field of another type", JSON.stringify([user({ is_active: "yes" })]), ", pk 7: fields.is_active: "],
    ["an id of another type", JSON.stringify([{ ...user(), pk: "7f0c" }]), ', pk "7f0c": pk: '],
    ["an id beyond exact numbers", `[${one.replace('"pk":7', '"pk":9007199254740993')}]`, ": pk: "],
  ])("%s", async ([, input, message]) => {
    expect(await complaint(input)).toContain(message);
  });

  test("users before the place are still given out", async () => {
    const before: DjangoUser[] = [];
    const reading = async () => {
      const bytes = new TextEncoder().encode(`[${one},{]`);
      for await (const each of readUsers(inChunks(bytes, 4))) before.push(each);
    };
    await expect(reading()).rejects.toThrow(SourceError);
    expect(before).toHaveLength(1);
  });

  test("no message quotes the file, so that no hash reaches a log", async () => {
    expect(await complaint(`[${one.replace('"fields"', '"fields":')}]`)).not.toContain("pbkdf2");
    expect(await complaint(JSON.stringify([user({ is_active: HASH })]))).not.toContain("pbkdf2");
  });

  test("a record without an end is given up before it fills the memory", async () => {
    async function* endless() {
      yield new TextEncoder().encode("[{");
      for (let sent = 0; sent <= 2 * ELEMENT_BYTES_MAX; sent += 1_048_576)
        yield new Uint8Array(1_048_576).fill(0x20);
      throw new Error("read on");
    }
    await expect(Array.fromAsync(readUsers(endless()))).rejects.toThrow("is longer than 16777216 bytes");
  });
});
