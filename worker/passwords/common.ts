/**
 * The common passwords of @zxcvbn-ts/language-common and of Django, 52,692 of them (ASVS 6.2.4 asks for 3,000). One
 * text that is searched as it is: a set of them would have to be made at every isolate's start, and takes ten times
 * the memory.
 */
import list from "./common-passwords.txt";

/** Tells whether a password, in lower case, is one of the common ones. */
export function commonPasswords(): (lowerCased: string) => boolean {
  return (lowerCased) => !lowerCased.includes("\n") && list.includes(`\n${lowerCased}\n`);
}
