/**
 * What a new password must be. Only for setting one: a login compares exactly and asks nothing of this.
 * No rule about kinds of characters, and no sentence repeats what was typed (NIST SP 800-63B §3.1.1.2).
 */
import { PASSWORD_BYTES_MAX } from "./encode-password.ts";
import { isPredictable } from "./predictable.ts";
import { isSimilar } from "./similarity.ts";

export interface PasswordPolicy {
  /** Unicode code points. */
  readonly minLength: number;
  /** Whether a password is in a list of common ones; it is asked in lower case. */
  readonly isCommon: (lowerCased: string) => boolean;
}

export interface PasswordOwner {
  readonly username: string;
  readonly email: string | null;
  /** Where they are known. */
  readonly firstName?: string | null;
  readonly lastName?: string | null;
}

const ATTRIBUTES = [
  ["username", "username"],
  ["email", "email address"],
  ["firstName", "first name"],
  ["lastName", "last name"],
] as const;

/** Every reason to refuse the password, as sentences for its owner to read; none when it is acceptable. */
export function passwordProblems(password: string, policy: PasswordPolicy, about: PasswordOwner): string[] {
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
    ...ATTRIBUTES.map(([name, called]): [boolean, string] => [
      isSimilar(password, about[name] ?? ""),
      `This password is too similar to the ${called}.`,
    ]),
    [isCommon(password.toLowerCase(), policy), "This password is too common."],
  ];
  return rules.filter(([broken]) => broken).map(([, sentence]) => sentence);
}

function isCommon(lowerCased: string, policy: PasswordPolicy): boolean {
  return policy.isCommon(lowerCased) || isPredictable(lowerCased);
}
