/**
 * How much of a password is somebody's name. Two measures: the one of Django's `UserAttributeSimilarityValidator`,
 * and whether one is part of the other, which Django's forgives a long password. Pure: it compares texts.
 */

/** Django's `max_similarity`: from here on, a password is refused. */
const RATIO_MAX = 0.7;
/** Characters. A shorter name is part of too many good passwords to be held against them. */
const PART_LENGTH_MIN = 4;
/** Letters, marks, digits and `_`: what lies between them makes parts (Python's `\W+`). */
const BETWEEN_PARTS = /[^\p{L}\p{M}\p{N}_]+/u;

/**
 * Whether the password is too similar to a name, in any case. Of an e-mail address (which a user name may be) its
 * part before the `@` counts as a name too; the host is shared by too many to be looked for inside a password.
 */
export function isSimilar(password: string, name: string): boolean {
  const folded = password.toLowerCase();
  const whole = name.toLowerCase();
  const at = whole.lastIndexOf("@");
  const names = at > 0 ? [whole, whole.slice(0, at)] : [whole];
  return (
    names.some((part) => isPart(folded, part)) ||
    [...whole.split(BETWEEN_PARTS), whole].some((part) => ratio(folded, part) >= RATIO_MAX)
  );
}

function isPart(password: string, name: string): boolean {
  if (Math.min(name.length, password.length) < PART_LENGTH_MIN) return false;
  return password.includes(name) || name.includes(password);
}

/** `difflib.SequenceMatcher.quick_ratio`: twice the characters in common, wherever they are, by all there are. */
function ratio(password: string, name: string): number {
  const characters = [...name];
  const unused = new Map<string, number>();
  for (const character of characters) unused.set(character, (unused.get(character) ?? 0) + 1);
  let common = 0;
  let length = characters.length;
  for (const character of password) {
    const count = unused.get(character) ?? 0;
    if (count > 0) common += 1;
    unused.set(character, count - 1);
    length += 1;
  }
  return characters.length === 0 ? 0 : (2 * common) / length;
}
