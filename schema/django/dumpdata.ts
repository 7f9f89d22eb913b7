/**
 * Reads what `manage.py dumpdata` writes, record by record: the users in it, checked for the fields that are used.
 * Records of other models are passed over; plain and natural foreign keys read alike, since none of them is used.
 * No message ever holds content of the file: a record has a password hash in it.
 */
import { z } from "zod";
import { DumpdataError, describe, type Element, elementsOf } from "./json-array.ts";

const USER_MODEL = "auth.user";
const PK_LENGTH_SHOWN_MAX = 40;

const modelSchema = z.object({ model: z.string() });
const userSchema = z.object({
  pk: z.int(),
  fields: z.object({
    /** An encoded hash, `!` and more for "unusable", or empty. */
    password: z.string(),
    /** ISO 8601, as Django writes it: with a zone unless it runs without `USE_TZ`. */
    last_login: z.string().nullable(),
    date_joined: z.string(),
    username: z.string(),
    first_name: z.string(),
    last_name: z.string(),
    email: z.string().nullable(),
    is_superuser: z.boolean(),
    is_staff: z.boolean(),
    is_active: z.boolean(),
  }),
});

/** One `auth.user` record, with the fields that are used and no others. */
export type DjangoUser = z.infer<typeof userSchema>;

/**
 * Yields every user of the file, given as the bytes of it. Throws `DumpdataError` at the first thing that is not as
 * it should be; its message names the record, its line and byte, and its pk once that is known.
 */
export async function* readUsers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DjangoUser> {
  for await (const element of elementsOf(chunks)) {
    const record = parsed(element);
    const header = modelSchema.safeParse(record);
    if (!header.success) throw new DumpdataError(`${describe(element)}: ${firstIssue(header.error)}`);
    if (header.data.model !== USER_MODEL) continue;
    const user = userSchema.safeParse(record);
    if (user.success) yield user.data;
    else throw new DumpdataError(`${describe(element)}${pkOf(record)}: ${firstIssue(user.error)}`);
  }
}

function parsed(element: Element): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(element.bytes);
  } catch {
    throw new DumpdataError(`${describe(element)} is not UTF-8`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new DumpdataError(`${describe(element)} is not JSON`); // the parser's own message quotes the text
  }
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "not a record";
  const path = issue.path.join(".");
  const hint = path === "pk" ? "; `dumpdata --natural-primary` leaves it out" : "";
  return `${path}: ${issue.message}${hint}`;
}

function pkOf(record: unknown): string {
  const pk = z.object({ pk: z.union([z.string(), z.number()]) }).safeParse(record);
  return pk.success ? `, pk ${JSON.stringify(pk.data.pk).slice(0, PK_LENGTH_SHOWN_MAX)}` : "";
}
