/**
 * User names and e-mail addresses: one spelling, and when two are the same person.
 *
 * Imported accounts may break the rules for new ones (share an address, differ only in case), so
 * the rules are checked when an account begins, never when it is read.
 */

/** Django's limit of `auth_user.username`, in code points. */
export const USERNAME_LENGTH_MAX = 150;
/** RFC 5321 §4.5.3.1.3 (a path of 256 octets, with its angle brackets), in code points. */
export const EMAIL_LENGTH_MAX = 254;

/** Django's `[\w.@+-]`: Python's `\w` is letters and numbers of any script, and the underscore. */
const USERNAME = /^[\p{L}\p{N}_.@+-]+$/u;
/**
 * Deliberately wide: one at-sign, no space or control, a domain with a dot. The mail that is answered is
 * the proof. None of RFC 5322's specials (§3.2.3): `Ada<eve@example.com>` is an address of its own here
 * and Eve's to whoever sends the mail, and a comma makes two of one.
 */
const EMAIL = /^[^\s\p{C}@"(),:;<>[\]\\]{1,64}@[^\s\p{C}@".(),:;<>[\]\\]+(?:\.[^\s\p{C}@".(),:;<>[\]\\]+)+$/u;

const lengthOf = (text: string): number => [...text].length;

/** The one spelling in which a user name is stored: NFKC, as Django's `normalize_username`. */
export function normalizeUsername(typed: string): string {
  return typed.normalize("NFKC");
}

/**
 * The key by which two user names are the same "in any case". Lower, upper and lower case again is
 * the nearest that the platform has to Unicode case folding (ẞ, ß and ss; the two small sigmas).
 */
export function usernameKey(username: string): string {
  return normalizeUsername(username).toLowerCase().toUpperCase().toLowerCase().normalize("NFKC");
}

/** The key by which two e-mail addresses are the same: NFKC, then lower case. */
export function emailKey(email: string): string {
  return email.normalize("NFKC").toLowerCase();
}

/**
 * The key by which two texts name the same account at a login (contract §3), whether anybody has it or not:
 * the normalised name, in its very case; of what may be an address, as addresses are compared.
 */
export function loginKey(typed: string): string {
  const name = normalizeUsername(typed);
  return name.includes("@") ? emailKey(name) : name;
}

/** True for a user name that a new account may have, apart from being taken. Takes the normalised spelling. */
export function isUsername(username: string): boolean {
  return lengthOf(username) <= USERNAME_LENGTH_MAX && USERNAME.test(username);
}

/** True for text that could be an e-mail address of a new account, as it is typed and as it is compared. */
export function isEmail(email: string): boolean {
  return (
    email.isWellFormed() &&
    [email, emailKey(email)].every((one) => lengthOf(one) <= EMAIL_LENGTH_MAX && EMAIL.test(one))
  );
}

/**
 * True when a user name would stand in the way of somebody's e-mail login: it looks like an
 * address, and is not the account's own. Imported addresses need not be as new ones must
 * (`root@localhost`), so that anything around an at-sign looks like one; `@ada` and `ada@` do not.
 */
export function impersonatesEmail(username: string, email: string | null): boolean {
  return /.@./su.test(username) && (email === null || emailKey(email) !== emailKey(username));
}

/** True for text that can be the name of any account, imported ones included; anything else needs no look-up. */
export function canBeLogin(typed: string): boolean {
  return (
    typed.isWellFormed() && !typed.includes("\0") && lengthOf(normalizeUsername(typed)) <= EMAIL_LENGTH_MAX
  );
}
