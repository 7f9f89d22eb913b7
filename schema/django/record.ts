/** What every format of an export is read into. */

/** An export is not what it should be. The message says where, and holds nothing of the content. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

/** One row of a table of Django, in the words of `dumpdata`, with its values as the format has them. */
export type DjangoRecord = {
  /** As in the database, without a schema: `auth_user`. */
  readonly table: string;
  readonly pk: unknown;
  readonly fields: { readonly [column: string]: unknown };
  /** Where it is, for a person: `line 3`. */
  readonly place: string;
};

/** The columns of a row, with the key apart as `dumpdata` has it. A session's key is not called `id`. */
export function recordOf(
  table: string,
  columns: readonly string[],
  values: readonly unknown[],
  place: string,
): DjangoRecord {
  const { id, session_key, ...fields } = Object.fromEntries(columns.map((name, at) => [name, values[at]]));
  return { table, pk: id ?? session_key, fields, place };
}
