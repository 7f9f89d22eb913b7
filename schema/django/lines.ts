/** Cuts a text into lines while it arrives, and refuses what is not UTF-8 at the line where it is not. */
import { SourceError } from "./record.ts";

/** Bytes. Django's longest column, a session, has some thousand; without it a file of one line would fill the memory. */
export const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** `text` keeps its line end; `number` counts from one. */
export type Line = { readonly text: string; readonly number: number };

const NEWLINE = 0x0a;
const UTF8_MARK = "\ufeff";

/** Yields every line as soon as it is complete. Throws `SourceError`. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let number = 0;
  let rest: Uint8Array[] = [];
  const lineFrom = (last: Uint8Array): Line => {
    number += 1;
    const bytes = rest.length === 0 ? last : Buffer.concat([...rest, last]);
    rest = [];
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      throw new SourceError(`line ${number} is not UTF-8`);
    }
    return { text: number === 1 && text.startsWith(UTF8_MARK) ? text.slice(1) : text, number };
  };
  for await (const chunk of chunks) {
    let begin = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      yield lineFrom(chunk.subarray(begin, end + 1));
      begin = end + 1;
    }
    if (begin < chunk.length) rest.push(chunk.slice(begin));
    if (rest.reduce((sum, { length }) => sum + length, 0) > LINE_BYTES_MAX) {
      throw new SourceError(`line ${number + 1} is longer than ${LINE_BYTES_MAX} bytes`);
    }
  }
  if (rest.length > 0) yield lineFrom(new Uint8Array());
}
