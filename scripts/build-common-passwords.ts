/**
 * Writes worker/passwords/common-passwords.txt, which is checked in: the common passwords of
 * @zxcvbn-ts/language-common and those of Django 5.2.17 (`common-passwords/`, BSD-3-Clause), in
 * lower case, sorted, one a line, with a line end before the first as well.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";

export const COMMON_PASSWORDS = join(import.meta.dirname, "../worker/passwords/common-passwords.txt");
const DJANGOS = join(import.meta.dirname, "common-passwords/django-5.2.17.txt.gz");
/** The default of `PASSWORD_MIN_LENGTH`. */
const LENGTH_MIN = 8;

/** The text of the file as both lists give it. */
export function buildCommonPasswords(): string {
  const lines = new Set([...zxcvbns(), ...djangos()].map((each) => each.toLowerCase()));
  return `\n${[...lines].sort().join("\n")}\n`;
}

function zxcvbns(): string[] {
  const main = createRequire(import.meta.url).resolve("@zxcvbn-ts/language-common");
  const list: unknown = JSON.parse(readFileSync(join(dirname(main), "../src/passwords.json"), "utf8"));
  if (!Array.isArray(list)) throw new Error("the package has no list of passwords any more");
  return list.map(String);
}

/** What Django refused is refused here, too. What is short or all digits other rules refuse. */
export function djangos(): string[] {
  const lines = gunzipSync(readFileSync(DJANGOS)).toString("utf8").split("\n");
  return lines.filter((line) => line.length >= LENGTH_MIN && !/^\d+$/.test(line));
}

if (import.meta.main) {
  const text = buildCommonPasswords();
  writeFileSync(COMMON_PASSWORDS, text);
  console.log(`common-passwords.txt: ${text.split("\n").length - 2} passwords`);
}
