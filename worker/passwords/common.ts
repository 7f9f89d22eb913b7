/**
 * The passwords that everybody tries first (PWD-03): 49,233 of them, all in lower case, from the lists that
 * zxcvbn-ts maintains. Unpacked when the first new password is set, not when the isolate starts.
 */

let known: Promise<ReadonlySet<string>> | null = null;

/** Tells whether a password, in lower case, is one of the common ones. */
export async function commonPasswords(): Promise<(lowerCased: string) => boolean> {
  known ??= import("@zxcvbn-ts/language-common").then(
    ({ dictionary }) => new Set(dictionary["passwords-common"]),
  );
  const passwords = await known;
  return (lowerCased) => passwords.has(lowerCased);
}
