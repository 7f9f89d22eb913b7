/**
 * What an account says of itself: names, picture, time zone, language. A field is stored in one
 * spelling and is checked when it is changed, never when it is read.
 */

/** Django's limit of `auth_user.first_name` and `last_name`, in code points. */
export const NAME_LENGTH_MAX = 150;
/** What every browser and proxy takes. */
export const AVATAR_URL_LENGTH_MAX = 2048;
/** RFC 5646 §4.4.1: longer tags are of no known use. */
const LANGUAGE_LENGTH_MAX = 35;
const VARIANT = /^(?:[a-z\d]{5,8}|\d[a-z\d]{3})$/i;
const IRREGULAR =
  "en-gb-oed|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)|sgn-be-(?:fr|nl)|sgn-ch-de";
/** RFC 5646 §2.1, `Language-Tag`; the other grandfathered tags are of the ordinary form. */
const LANGUAGE = new RegExp(
  [
    "^(?:(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})", // language, with extended ones
    "(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\\d{3}))?", // script, region
    "(?:-(?:[a-z\\d]{5,8}|\\d[a-z\\d]{3}))*", // variants
    "(?:-[\\da-wy-z](?:-[a-z\\d]{2,8})+)*(?:-x(?:-[a-z\\d]{1,8})+)?", // extensions, private use
    `|x(?:-[a-z\\d]{1,8})+|${IRREGULAR})$`,
  ].join(""),
  "i",
);
/** The longest name of the database is 32 characters; links to come may be longer. */
const TIMEZONE_LENGTH_MAX = 64;

/** The fields in the order in which answers show them. */
export type Profile = {
  first_name: string;
  last_name: string;
  avatar_url: string | null;
  timezone: string | null;
  language: string | null;
};
export type ProfileField = keyof Profile;
/** What a request changes: only what it named. */
export type ProfileChange = { [Field in ProfileField]?: Profile[Field] | undefined };

/**
 * Controls, line separators, half surrogates, and what turns the direction of the text around it
 * (Unicode TR 36 §2.3). Joiners stay: some scripts spell names with them.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;
/** The database's own form: an offset like +01:00 is no time zone. */
const TIMEZONE = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/;
/** How every name of the database begins its parts. */
const CAPITALIZED = /^[A-Z][^/]*(?:\/[A-Z][^/]*)*$/;
/** Names that the runtime's library knows and the database does not (ICU's old abbreviations). */
const NOT_IANA =
  /^(?:SystemV\/.*|A[CEGS]T|ART|BET|BST|CAT|CNT|CST|CTT|EAT|ECT|IET|IST|JST|MIT|NET|NST|PLT|PNT|PRT|PST|SST|VST)$/i;
/** Stricter than a URL parser, which drops tabs and line feeds and takes a backslash for a slash. */
const HTTPS = /^https:\/\/[^\s\\\p{C}]+$/iu;

/** True for text that may stand as a first or a last name: also none at all. */
export function isPersonName(text: string): boolean {
  return [...text].length <= NAME_LENGTH_MAX && !UNPRINTABLE.test(text);
}

/** True for the https URL of a picture, without credentials in it. */
export function isAvatarUrl(text: string): boolean {
  if (text.length > AVATAR_URL_LENGTH_MAX || !HTTPS.test(text)) return false;
  const url = URL.parse(text);
  return url !== null && url.username === "" && url.password === "";
}

/** The name of an IANA time zone in the database's spelling, or null if there is none of that name. */
export function asTimezone(text: string): string | null {
  if (text.length > TIMEZONE_LENGTH_MAX || !TIMEZONE.test(text) || NOT_IANA.test(text)) return null;
  try {
    const { timeZone } = new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions();
    if (timeZone.toLowerCase() === text.toLowerCase()) return timeZone;
    // A link (Asia/Kolkata) is a name of its own, but the runtime answers what it points to.
    return CAPITALIZED.test(text) ? text : null;
  } catch {
    return null;
  }
}

/**
 * A well-formed BCP 47 language tag, or null for any other text: in its canonical spelling (RFC 5646
 * §4.5) where the runtime knows it, which takes neither extended languages nor private tags, else in
 * the registry's capitals.
 */
export function asLanguage(text: string): string | null {
  if (text.length > LANGUAGE_LENGTH_MAX || !LANGUAGE.test(text) || repeatsSubtag(text)) return null;
  try {
    return Intl.getCanonicalLocales(text)[0] ?? null;
  } catch {
    return inCapitals(text);
  }
}

/** RFC 5646 §2.2.9: no variant and no singleton is there twice. What follows an `x` is private. */
function repeatsSubtag(tag: string): boolean {
  const [known = ""] = tag.toLowerCase().split(/(?:^|-)x-/);
  const subtags = known.split("-");
  const extensionsAt = subtags.findIndex(({ length }) => length === 1);
  const unique = subtags.filter(
    (subtag, at) =>
      subtag.length === 1 || (at > 0 && (extensionsAt < 0 || at < extensionsAt) && VARIANT.test(subtag)),
  );
  return new Set(unique).size < unique.length;
}

/** RFC 5646 §2.1.1: `zh-yue-Hant-HK`, and all lower case behind a singleton. */
function inCapitals(tag: string): string {
  const subtags = tag.toLowerCase().split("-");
  const singletonAt = subtags.findIndex(({ length }) => length === 1);
  const spelled = subtags.map((subtag, at) => {
    if (at === 0 || (singletonAt >= 0 && at > singletonAt)) return subtag;
    if (subtag.length === 2) return subtag.toUpperCase();
    return subtag.length === 4 ? subtag.charAt(0).toUpperCase() + subtag.slice(1) : subtag;
  });
  return spelled.join("-");
}
