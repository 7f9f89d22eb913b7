/**
 * What a new password must be. Only for setting one: a login compares exactly and asks nothing of this.
 * No rule about kinds of characters, and no sentence repeats what was typed (NIST SP 800-63B §3.1.1.2).
 */
import { PASSWORD_BYTES_MAX } from "./encode-password.ts";

export interface PasswordPolicy {
  /** Unicode code points. */
  readonly minLength: number;
  /** Whether a password is in the list of common ones (common.ts); it is asked in lower case. */
  readonly isCommon: (lowerCased: string) => boolean;
}

export interface PasswordOwner {
  readonly username: string;
  readonly email: string | null;
}

/** Characters. A shorter user name is part of too many good passwords to be held against them. */
const SIMILAR_LENGTH_MIN = 4;

/** Every reason to refuse the password, as sentences for its owner to read; none when it is acceptable. */
export function passwordProblems(password: string, policy: PasswordPolicy, about: PasswordOwner): string[] {
  const folded = password.toLowerCase();
  const length = [...password].length;
  const rules: [broken: boolean, sentence: string][] = [
    [
      length < policy.minLength,
      `This password is too short. It must contain at least ${policy.minLength} characters.`,
    ],
    [
      new TextEncoder().encode(password).length > PASSWORD_BYTES_MAX,
      `This password is too long. It must not exceed ${PASSWORD_BYTES_MAX.toLocaleString("en")} bytes.`,
    ],
    [
      !password.isWellFormed() || password.includes("\0"),
      "This password contains characters that cannot be used.",
    ],
    [/^\p{Nd}+$/u.test(password), "This password is entirely numeric."],
    [isSimilar(folded, about.username), "This password is too similar to the username."],
    [
      about.email !== null && isSimilar(folded, about.email),
      "This password is too similar to the email address.",
    ],
    [policy.isCommon(folded), "This password is too common."],
  ];
  return rules.filter(([broken]) => broken).map(([, sentence]) => sentence);
}

/**
 * Whether the name and the password are equal, or one is part of the other, in any case. Of an e-mail address
 * (which a user name may be) its part before the `@` counts as a name too: the host is shared by too many.
 */
function isSimilar(foldedPassword: string, name: string): boolean {
  const folded = name.toLowerCase();
  const at = folded.lastIndexOf("@");
  const names = at > 0 ? [folded, folded.slice(0, at)] : [folded];
  return names.some((part) => {
    if (part === foldedPassword) return part !== "";
    const shorter = Math.min(part.length, foldedPassword.length);
    if (shorter < SIMILAR_LENGTH_MIN) return false;
    return foldedPassword.includes(part) || part.includes(foldedPassword);
  });
}
