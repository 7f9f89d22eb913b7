/**
 * Passwords that need no list to be guessed: what one finger types, again or along a row. Pure.
 * Only of ASCII, as guesses are, and only where the whole password is nothing else.
 */

/** Characters. Within anything shorter, the first rows of a keyboard are in many words; nobody counts further. */
const LENGTH_MIN = 6;
const LENGTH_MAX = 32;
/** One to four characters again and again: `aaaaaaaa`, `hahahaha`, `1qaz1qaz`, eight spaces. */
const REPEATED = /^([ -~]{1,4}?)\1+$/;
/** The alphabet, and the rows of QWERTY, QWERTZ and AZERTY, one row after the other. */
const RUNS = [
  "abcdefghijklmnopqrstuvwxyz",
  "01234567890",
  "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./",
  '~!@#$%^&*()_+qwertyuiop{}|asdfghjkl:"zxcvbnm<>?',
  "qwertyuiopasdfghjklzxcvbnm",
  "1234567890qwertzuiopasdfghjklyxcvbnm",
  "1234567890azertyuiopqsdfghjklmwxcvbn",
];
const EITHER_WAY = [...RUNS, ...RUNS.map((run) => [...run].reverse().join(""))];

/** Whether the password, in lower case, is one short piece repeated, or a run of keys in either direction. */
export function isPredictable(lowerCased: string): boolean {
  if (lowerCased.length < LENGTH_MIN || lowerCased.length > LENGTH_MAX) return false;
  return REPEATED.test(lowerCased) || EITHER_WAY.some((run) => run.includes(lowerCased));
}
