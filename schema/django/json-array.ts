/**
 * Cuts the text of one JSON array of objects into its elements while it arrives, so that no more than one of them
 * is in memory. It only counts brackets outside of strings: whether an element is JSON is for its parser to say.
 */
import { SourceError } from "./record.ts";

/** Bytes. No record of a user comes near it; without it a missing bracket would read the whole file into memory. */
export const ELEMENT_BYTES_MAX = 16 * 1024 * 1024;

/** Where something is: the element's number and the line count from one, the byte from zero. */
export type Place = { readonly number: number; readonly line: number; readonly byte: number };
export type Element = Place & { readonly bytes: Uint8Array };

type Expecting = "array" | "element or end" | "comma or end" | "element" | "rest of element" | "nothing";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const WHITESPACE = new Set([0x20, 0x09, NEWLINE, 0x0d]);
const UTF8_MARK = [0xef, 0xbb, 0xbf];
const UTF16_MARKS = new Set([0xff, 0xfe]);
const GZIP_MARK = 0x1f;

/** Yields each element as soon as it is complete. Throws `SourceError`, also when the text ends too early. */
export async function* elementsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Element> {
  const splitter = new Splitter();
  for await (const chunk of chunks) yield* splitter.push(chunk);
  splitter.end();
}

export function describe({ number, line, byte }: Place): string {
  return `record ${number} (line ${line}, byte ${byte})`;
}

class Splitter {
  #expecting: Expecting = "array";
  #line = 1;
  /** Bytes of all chunks before this one. */
  #before = 0;
  #place: Place = { number: 0, line: 1, byte: 0 };
  /** What earlier chunks held of the element that has begun. */
  #parts: Uint8Array[] = [];
  #depth = 0;
  #inString = false;
  #isEscaped = false;

  *push(chunk: Uint8Array): Generator<Element> {
    let begin = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (byte === NEWLINE) this.#line += 1;
      if (this.#expecting === "rest of element") {
        if (this.#isStillInside(byte)) continue;
        this.#expecting = "comma or end";
        yield { ...this.#place, bytes: this.#joined(chunk.subarray(begin, at + 1)) };
      } else if (this.#begins(byte, this.#before + at)) begin = at;
    }
    if (this.#expecting === "rest of element") this.#keep(chunk.slice(begin));
    this.#before += chunk.length;
  }

  end(): void {
    if (this.#expecting === "nothing") return;
    if (this.#expecting === "array") throw new SourceError("the file is empty");
    const where = this.#expecting === "rest of element" ? "inside" : "after";
    throw new SourceError(`the file ends ${where} ${describe(this.#place)}, before the closing ]`);
  }

  #isStillInside(byte: number): boolean {
    if (this.#inString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) this.#inString = false;
    } else if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#depth += 1;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) this.#depth -= 1;
    return this.#depth > 0;
  }

  /** Takes one byte between elements; true if an element begins with it. */
  #begins(byte: number, offset: number): boolean {
    if (WHITESPACE.has(byte)) return false;
    const expecting = this.#expecting;
    if (expecting === "array" && byte === UTF8_MARK[offset]) return false;
    if (expecting === "array" && byte === OPEN_ARRAY) this.#expecting = "element or end";
    else if (expecting === "comma or end" && byte === COMMA) this.#expecting = "element";
    else if (expecting.endsWith("or end") && byte === CLOSE_ARRAY) this.#expecting = "nothing";
    else if (expecting.startsWith("element") && byte === OPEN_OBJECT) {
      this.#expecting = "rest of element";
      this.#place = { number: this.#place.number + 1, line: this.#line, byte: offset };
      this.#depth = 1;
      return true;
    } else throw new SourceError(`line ${this.#line}, byte ${offset}: ${complaint(expecting, byte)}`);
    return false;
  }

  #keep(part: Uint8Array): void {
    this.#parts.push(part);
    const length = this.#parts.reduce((sum, { length }) => sum + length, 0);
    if (length <= ELEMENT_BYTES_MAX) return;
    throw new SourceError(`${describe(this.#place)} is longer than ${ELEMENT_BYTES_MAX} bytes`);
  }

  #joined(last: Uint8Array): Uint8Array {
    if (this.#parts.length === 0) return last;
    const bytes = new Uint8Array(this.#parts.reduce((sum, { length }) => sum + length, last.length));
    let at = 0;
    for (const part of [...this.#parts, last]) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    return bytes;
  }
}

function complaint(expecting: Expecting, byte: number): string {
  if (expecting === "array") {
    if (UTF16_MARKS.has(byte)) return "the file is UTF-16, not UTF-8 (let `dumpdata --output FILE` write it)";
    if (byte === GZIP_MARK) return "the file is compressed; unpack it first";
    return "not a JSON array of records, which `dumpdata --format json` writes";
  }
  if (expecting === "nothing") return "something follows the closing ]";
  const wanted = expecting === "comma or end" ? "a comma or the closing ]" : "a record in braces";
  return `expected ${wanted}, found the byte 0x${byte.toString(16).padStart(2, "0")}`;
}
