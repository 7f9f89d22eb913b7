/** An export as files: which format each has is told by its content, not by its name. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { readCsv } from "./csv.ts";
import { readDumpdata } from "./dumpdata.ts";
import { readPgDump } from "./pg-dump.ts";
import { type DjangoRecord, SourceError } from "./record.ts";
import { readSqlite } from "./sqlite.ts";
import { TABLES } from "./tables.ts";

export const FORMATS = ["dumpdata", "csv", "pg_dump", "sqlite"] as const;
export type Format = (typeof FORMATS)[number];

const HEAD_BYTES = 65_536;
const SQL = /^(?:--|SET |COPY |INSERT INTO |CREATE |BEGIN|\\restrict)/;
const CSV_HEADER = /^"?[a-z_]+"?(?:,"?[a-z_]+"?)+\r?(?:\n|$)/;

/** Yields the records of all the files, in their order; each says in which it is. Throws `SourceError` that does, too. */
export async function* recordsOf(
  files: readonly string[],
  format: Format | null,
): AsyncGenerator<DjangoRecord> {
  for (const file of files) {
    try {
      const known = format ?? recogniseFormat(await headOf(file));
      const records = known === "sqlite" ? readSqlite(file, TABLES) : readers[known](createReadStream(file));
      for await (const record of records) yield { ...record, place: `${file}: ${record.place}` };
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      throw new SourceError(`${file}: ${error.message}`);
    }
  }
}

const readers = {
  dumpdata: readDumpdata,
  csv: readCsv,
  pg_dump: (chunks: AsyncIterable<Uint8Array>) => readPgDump(chunks, TABLES),
};

/** The format of a file that begins like this. Throws `SourceError` for one that nothing reads. */
export function recogniseFormat(head: Uint8Array): Format {
  const text = new TextDecoder().decode(head);
  if (head[0] === 0x1f && head[1] === 0x8b) return refuse("the file is compressed; unpack it first");
  if (head[0] === 0xff || head[0] === 0xfe) return refuse("the file is UTF-16, not UTF-8");
  if (text.startsWith("PGDMP")) return refuse("pg_dump's own format; make the dump with --format plain");
  if (text.startsWith("SQLite format 3\0")) return "sqlite";
  const begin = text.trimStart();
  if (begin === "") return refuse("the file is empty");
  if (begin.startsWith("[") || begin.startsWith("{")) return "dumpdata";
  // The beginning alone: what follows may be anything that somebody wrote of themselves.
  if (CSV_HEADER.test(begin)) return "csv";
  if (SQL.test(begin)) return "pg_dump";
  return refuse("line 1: neither JSON of dumpdata, CSV with a header, text of pg_dump nor SQLite");
}

function refuse(message: string): never {
  throw new SourceError(message);
}

async function headOf(file: string): Promise<Uint8Array> {
  await using handle = await open(file);
  const { buffer, bytesRead } = await handle.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}
