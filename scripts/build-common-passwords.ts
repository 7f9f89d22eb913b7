/**
 * Writes worker/passwords/common-passwords.txt, which is checked in: the common passwords of
 * @zxcvbn-ts/language-common in lower case, sorted, one a line, with a line end before the first as well.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export const COMMON_PASSWORDS = join(import.meta.dirname, "../worker/passwords/common-passwords.txt");

/** The text of the file as the package gives it. */
export function buildCommonPasswords(): string {
  const main = createRequire(import.meta.url).resolve("@zxcvbn-ts/language-common");
  const list: unknown = JSON.parse(readFileSync(join(dirname(main), "../src/passwords.json"), "utf8"));
  if (!Array.isArray(list)) throw new Error("the package has no list of passwords any more");
  const lines = new Set(list.map((each) => String(each).toLowerCase()));
  return `\n${[...lines].sort().join("\n")}\n`;
}

if (import.meta.main) {
  const text = buildCommonPasswords();
  writeFileSync(COMMON_PASSWORDS, text);
  console.log(`common-passwords.txt: ${text.split("\n").length - 2} passwords`);
}
