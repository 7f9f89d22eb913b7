/**
 * The text of SQL as PostgreSQL writes it: where a statement ends, and the values in it (manual, "Lexical Structure"
 * and "COPY"). Pure.
 */

const SPECIAL = /'|"|\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$|--|;/g;
const COPY_ESCAPE = /\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|([\s\S]))/g;
const CONTROL: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const TOKEN = /\s*(?:(E?)'((?:[^']|'')*)'|([(),;])|([^\s(),;']+(?:\s+[A-Za-z][^\s(),;']*)*))/gy;

/** The end of an `INSERT` of `pg_dump --on-conflict-do-nothing`. */
const ON_CONFLICT = "ON CONFLICT DO NOTHING";

/** Follows a statement line by line: quotes, dollar quotes and comments may hold anything. */
export class Statement {
  #inside: string | null = null;

  /** Takes the next line; true if the statement ends in it. */
  ends(line: string): boolean {
    let at = 0;
    for (;;) {
      if (this.#inside !== null) {
        const end = line.indexOf(this.#inside, at);
        if (end < 0) return false;
        at = end + this.#inside.length;
        this.#inside = null;
        continue;
      }
      SPECIAL.lastIndex = at;
      const found = SPECIAL.exec(line);
      if (found === null || found[0] === "--") return false;
      if (found[0] === ";") return true;
      at = found.index + found[0].length;
      this.#inside = found[0];
    }
  }
}

/** The fields of one line of `COPY … FROM stdin`, without its end: null is NULL. */
export function copyFields(line: string): (string | null)[] {
  return line.split("\t").map((field) => {
    if (field === "\\N") return null;
    if (!field.includes("\\")) return field;
    return field.replace(COPY_ESCAPE, (_, octal?: string, hex?: string, other?: string) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      return CONTROL[other ?? ""] ?? other ?? "";
    });
  });
}

type Value = string | number | boolean | null;

/** The tuples after `VALUES`; null if they are not lists of literals. */
export function valueTuples(text: string): Value[][] | null {
  const tuples: Value[][] = [];
  let tuple: Value[] | null = null;
  TOKEN.lastIndex = 0;
  for (let token = TOKEN.exec(text); token !== null; token = TOKEN.exec(text)) {
    const [, escaped, quoted, mark, word] = token;
    if (mark === "(" && tuple === null) tuple = [];
    else if (mark === ")" && tuple !== null) {
      tuples.push(tuple);
      tuple = null;
    } else if (mark === ";" && tuple === null) return tuples;
    else if (mark === "," || (tuple === null && word === ON_CONFLICT)) continue;
    else if (tuple === null || mark !== undefined) return null;
    else if (quoted !== undefined) tuple.push(literal(quoted, escaped === "E"));
    else {
      const value = constant(word ?? "");
      if (value === undefined) return null;
      tuple.push(value);
    }
  }
  return null;
}

function literal(quoted: string, escaped: boolean): string {
  const text = quoted.replaceAll("''", "'");
  return escaped ? text.replace(/\\([\s\S])/g, (_, one: string) => CONTROL[one] ?? one) : text;
}

function constant(word: string): Value | undefined {
  const lower = word.toLowerCase();
  if (lower === "null") return null;
  if (lower === "true" || lower === "false") return lower === "true";
  return /^-?\d+(?:\.\d+)?$/.test(word) ? Number(word) : undefined;
}

/** A name with or without its schema, as a part of an expression: quoted parts may hold spaces and brackets. */
export const NAME = String.raw`(?:"[^"]*"|[^\s("])+`;

/** The last part of a name with its schema, without quotes. */
export function bareName(name: string): string {
  return (/(?:^|\.)("?)([^".]+)\1$/.exec(name.trim())?.[2] ?? name).trim();
}
