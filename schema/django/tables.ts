/** Which tables of Django are read, and the columns of them that are used, from whichever format they come. */
import { z } from "zod";
import { type DjangoRecord, SourceError } from "./record.ts";

export const USER_TABLE = "auth_user";
export const TABLES = [USER_TABLE] as const;

const PK_LENGTH_SHOWN_MAX = 40;
const TRUE = new Set<unknown>([1, "1", "t", "true", "True"]);
const FALSE = new Set<unknown>([0, "0", "f", "false", "False"]);

/** A whole number, also as the digits that the text formats have. */
const integer = z.preprocess(
  (value) => (typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value),
  z.int(),
);
const flag = z.preprocess(
  (value) => (TRUE.has(value) ? true : FALSE.has(value) ? false : value),
  z.boolean(),
);
/** CSV that was not made by PostgreSQL has nothing to tell an empty text from none. */
const text = z.preprocess((value) => (value === null ? "" : value), z.string());

const userSchema = z.object({
  pk: integer,
  fields: z.object({
    /** An encoded hash, `!` and more for "unusable", or empty. */
    password: text,
    /** ISO 8601, as Django writes it: with a zone unless it runs without `USE_TZ`. */
    last_login: z.preprocess((value) => (value === "" ? null : value), z.string().nullable()),
    date_joined: z.string(),
    username: text,
    first_name: text,
    last_name: text,
    email: z.string().nullable(),
    is_superuser: flag,
    is_staff: flag,
    is_active: flag,
  }),
});

/** One user, with the fields that are used and no others. */
export type DjangoUser = z.infer<typeof userSchema>;

/** Yields the users of an export. Throws `SourceError` with the place of the first record that is not one. */
export async function* usersOf(records: AsyncIterable<DjangoRecord>): AsyncGenerator<DjangoUser> {
  for await (const record of records) {
    if (record.table !== USER_TABLE) continue;
    const user = userSchema.safeParse(record);
    if (user.success) yield user.data;
    else throw new SourceError(`${record.place}${pkOf(record)}: ${firstIssue(user.error)}`);
  }
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "not a record";
  const path = issue.path.join(".");
  const hint = path === "pk" ? "; `dumpdata --natural-primary` leaves it out" : "";
  return `${path}: ${issue.message}${hint}`;
}

function pkOf({ pk }: DjangoRecord): string {
  if (typeof pk !== "string" && typeof pk !== "number") return "";
  return `, pk ${JSON.stringify(pk).slice(0, PK_LENGTH_SHOWN_MAX)}`;
}
