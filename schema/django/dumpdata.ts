/**
 * Reads what `manage.py dumpdata` writes, record by record. No message ever holds content of the file: a record has a
 * password hash in it.
 */
import { z } from "zod";
import { describe, type Element, elementsOf } from "./json-array.ts";
import { type DjangoRecord, SourceError } from "./record.ts";
import { type DjangoUser, usersOf } from "./tables.ts";

const recordSchema = z.object({
  model: z.string(),
  pk: z.unknown().optional(),
  fields: z.record(z.string(), z.unknown()).default({}),
});

/**
 * Yields every record of the file, given as the bytes of it. Throws `SourceError` at the first thing that is not as
 * it should be; its message names the record, its line and byte.
 */
export async function* readDumpdata(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DjangoRecord> {
  for await (const element of elementsOf(chunks)) {
    const record = recordSchema.safeParse(parsed(element));
    const place = describe(element);
    if (!record.success) {
      const [issue] = record.error.issues;
      throw new SourceError(`${place}: ${issue?.path.join(".")}: ${issue?.message}`);
    }
    const { model, pk, fields } = record.data;
    yield { table: model.replace(".", "_"), pk, fields, place };
  }
}

/** The users of the file, as `readDumpdata` finds them. */
export function readUsers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DjangoUser> {
  return usersOf(readDumpdata(chunks));
}

function parsed(element: Element): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(element.bytes);
  } catch {
    throw new SourceError(`${describe(element)} is not UTF-8`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new SourceError(`${describe(element)} is not JSON`); // the parser's own message quotes the text
  }
}
