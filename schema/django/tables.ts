/** Which tables of Django are read, and the columns of them that are used, from whichever format they come. */
import { z } from "zod";
import { type DjangoRecord, SourceError } from "./record.ts";

export const USER_TABLE = "auth_user";
export const GROUP_TABLE = "auth_group";
export const SESSION_TABLE = "django_session";
export const TOKEN_TABLE = "token_blacklist_outstandingtoken";
export const BLACKLIST_TABLE = "token_blacklist_blacklistedtoken";
export const MEMBER_TABLE = "auth_user_groups";
export const PERMITTED_TABLE = "auth_user_user_permissions";

const PK_LENGTH_SHOWN_MAX = 40;
const TRUE = new Set<unknown>([1, "1", "t", "true", "True"]);
const FALSE = new Set<unknown>([0, "0", "f", "false", "False"]);

/** A whole number, also as the digits that the text formats have. */
const integer = z.preprocess(
  (value) => (typeof value === "string" && /^-?\d{1,19}$/.test(value) ? Number(value) : value),
  z.int(),
);
const flag = z.preprocess(
  (value) => (TRUE.has(value) ? true : FALSE.has(value) ? false : value),
  z.boolean(),
);
/** CSV that was not made by PostgreSQL has nothing to tell an empty text from none. */
const text = z.preprocess((value) => (value === null ? "" : value), z.string());
const emptyAsNull = (value: unknown) => (value === "" ? null : value);
/** `dumpdata --natural-foreign` has names in a list where ids are otherwise. */
const name = z.tuple([z.string()]).transform(([first]) => first);

const schemas = {
  [USER_TABLE]: z.object({
    pk: integer,
    fields: z.object({
      /** An encoded hash, `!` and more for "unusable", or empty. */
      password: text,
      /** ISO 8601, as Django writes it: with a zone unless it runs without `USE_TZ`. */
      last_login: z.preprocess(emptyAsNull, z.string().nullable()),
      date_joined: z.string(),
      username: text,
      first_name: text,
      last_name: text,
      email: z.string().nullable(),
      is_superuser: flag,
      is_staff: flag,
      is_active: flag,
      /** Only `dumpdata` has these here; elsewhere they are tables of their own. */
      groups: z.array(z.union([integer, name])).optional(),
      user_permissions: z.array(z.unknown()).optional(),
    }),
  }),
  [GROUP_TABLE]: z.object({ pk: integer.optional(), fields: z.object({ name: z.string() }) }),
  [MEMBER_TABLE]: z.object({ fields: z.object({ user_id: integer, group_id: integer }) }),
  [PERMITTED_TABLE]: z.object({ fields: z.object({ user_id: integer }) }),
  [SESSION_TABLE]: z.object({
    pk: z.string(),
    fields: z.object({ session_data: text, expire_date: z.string() }),
  }),
  [TOKEN_TABLE]: z.object({
    pk: integer,
    fields: z.object({
      jti: z.string(),
      expires_at: z.string(),
      /** Null where the user is gone, or where the export has none. */
      user: z.preprocess(emptyAsNull, z.union([integer, name]).nullable()),
    }),
  }),
  [BLACKLIST_TABLE]: z.object({ pk: integer, fields: z.object({ token: integer }) }),
};

export type Table = keyof typeof schemas;
/** In this order where the format leaves it to us. */
export const TABLES = Object.keys(schemas) as readonly Table[];

/** A record of each table, with the fields that are used and no others. */
export type Entry = {
  [Name in Table]: { readonly table: Name; readonly place: string } & z.infer<(typeof schemas)[Name]>;
}[Table];

type EntryOf<Name extends Table> = Extract<Entry, { table: Name }>;
export type DjangoUser = Pick<EntryOf<typeof USER_TABLE>, "pk" | "fields">;
export type DjangoSession = EntryOf<typeof SESSION_TABLE>;
export type DjangoToken = EntryOf<typeof TOKEN_TABLE>;

/** What `dumpdata` calls otherwise than the database does. */
const TABLE_OF_MODEL = new Map([["sessions_session", SESSION_TABLE]]);
const FIELD_OF_COLUMN: { [Name in Table]?: readonly (readonly [string, string])[] } = {
  [TOKEN_TABLE]: [["user_id", "user"]],
  [BLACKLIST_TABLE]: [["token_id", "token"]],
};

/** A row with a value that its column cannot have here: `-1` is a number, `abc` in a boolean is not. */
export type Misfit = { readonly table: Table; readonly place: string; readonly reason: string };

/**
 * Yields the entries of those tables. A row of them with a value that is not as it should be goes to `misfit`; a column
 * that is missing is the export's fault, and throws `SourceError`, as a misfit does where nobody takes it. What either
 * says has the place, and no value but a key that is no credential.
 */
export async function* entriesOf<Name extends Table>(
  records: AsyncIterable<DjangoRecord>,
  tables: readonly Name[],
  misfit: ((one: Misfit) => void) | null = null,
): AsyncGenerator<EntryOf<Name>> {
  for await (const record of records) {
    const table = tables.find((one) => one === (TABLE_OF_MODEL.get(record.table) ?? record.table));
    if (table === undefined) continue;
    const known = { ...record, fields: named(table, record.fields) };
    const entry = schemas[table].safeParse(known);
    if (entry.success) {
      yield { ...entry.data, table, place: record.place } as EntryOf<Name>;
      continue;
    }
    const place = `${record.place}${pkOf(record, table)}`;
    const reason = firstIssue(entry.error, record);
    if (misfit === null || isMissing(entry.error, known)) throw new SourceError(`${place}: ${reason}`);
    misfit({ table, place, reason });
  }
}

/** Yields the users of an export, as `entriesOf` does. */
export async function* usersOf(
  records: AsyncIterable<DjangoRecord>,
  misfit: ((one: Misfit) => void) | null = null,
): AsyncGenerator<DjangoUser> {
  for await (const { pk, fields } of entriesOf(records, [USER_TABLE], misfit)) yield { pk, fields };
}

function named(table: Table, fields: DjangoRecord["fields"]): DjangoRecord["fields"] {
  const named = FIELD_OF_COLUMN[table]?.map(([column, field]) => [
    field,
    fields[field] ?? fields[column] ?? null,
  ]);
  return named === undefined ? fields : { ...fields, ...Object.fromEntries(named) };
}

/** Whether the first complaint is of something that is not there at all. */
function isMissing({ issues: [issue] }: z.ZodError, record: DjangoRecord): boolean {
  const found = issue?.path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    record,
  );
  return found === undefined;
}

function firstIssue(error: z.ZodError, { pk }: DjangoRecord): string {
  const [issue] = error.issues;
  if (issue === undefined) return "not a record";
  const path = issue.path.join(".");
  const hint = path === "pk" && pk === undefined ? "; `dumpdata --natural-primary` leaves it out" : "";
  return `${path}: ${issue.message}${hint}`;
}

/** A session's key is a credential. */
function pkOf({ pk }: DjangoRecord, table: Table): string {
  if (table === SESSION_TABLE || (typeof pk !== "string" && typeof pk !== "number")) return "";
  return `, pk ${JSON.stringify(pk).slice(0, PK_LENGTH_SHOWN_MAX)}`;
}
