/** What becomes of one user of Django here. Pure: it decides, and reads and writes nothing. */
import type { Role } from "../claims.ts";
import {
  emailKey,
  impersonatesEmail,
  isEmail,
  isUsername,
  normalizeUsername,
  USERNAME_LENGTH_MAX,
  usernameKey,
} from "../identity.ts";
import { asUserId, type UserId } from "../ids.ts";
import { parsePasswordHash } from "../password-hash.ts";
import type { NumericDate } from "../time.ts";
import { parseMoment, ZONELESS } from "./moment.ts";
import type { Rights } from "./roles.ts";
import type { DjangoUser } from "./tables.ts";

/** Code units of one field. Django has at most 254; D1 takes 2 MB for a row, and for a statement's parameter. */
export const TEXT_LENGTH_MAX = 10_000;

/** Half of the numbers that are exact here are left for new accounts, which continue above the highest id. */
const ID_MAX = 2 ** 52;

/** A password column that no password matches. */
const UNUSABLE = "!";

/** The columns of `users` that the import writes, and the names for `profiles`. */
export type ImportedUser = {
  readonly id: UserId;
  readonly username: string;
  readonly username_key: string;
  readonly email: string | null;
  readonly email_key: string | null;
  readonly email_verified: 0;
  readonly password_hash: string;
  readonly role: Role;
  readonly is_active: 0 | 1;
  readonly created_at: NumericDate;
  readonly last_login: NumericDate | null;
  /** Null where both names are empty: then there is nothing to keep. */
  readonly profile: { readonly first_name: string; readonly last_name: string } | null;
};

export type UserDecision =
  /** `notes` say what an operator may want to know of this row; none of them is an error. */
  | { readonly kind: "row"; readonly row: ImportedUser; readonly notes: readonly string[] }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * The rows that a user of Django becomes, or why there can be none. Id, user name and password column stay exactly
 * what they are, also where they break the rules for new accounts: only what the tables cannot hold is refused.
 */
export function decideUser({ pk, fields }: DjangoUser, rights: Rights): UserDecision {
  const { username, first_name, last_name, is_active } = fields;
  const id = asUserId(pk);
  const joined = parseMoment(fields.date_joined);
  const seen = fields.last_login === null ? null : parseMoment(fields.last_login);
  const email = fields.email === "" ? null : fields.email;
  const password = fields.password === "" ? UNUSABLE : fields.password;

  if (id === null || id > ID_MAX) return refused("the id is not a positive integer up to 2^52");
  const nameProblem = unholdableName(username);
  if (nameProblem !== null) return refused(nameProblem);
  for (const [name, text] of Object.entries({ username, email, password, first_name, last_name })) {
    if (text?.isWellFormed() === false) return refused(`${name} has half a surrogate pair in it`);
    if (text !== null && text.length > TEXT_LENGTH_MAX) return refused(`${name} is too long to keep`);
  }
  if (joined === null) return refused("date_joined is not a date with a time");
  if (seen === null && fields.last_login !== null) return refused("last_login is not a date with a time");

  const row: ImportedUser = {
    id,
    username,
    username_key: usernameKey(username),
    email,
    email_key: email === null ? null : emailKey(email),
    email_verified: 0,
    password_hash: password,
    role: rights.role,
    is_active: is_active ? 1 : 0,
    created_at: joined.at,
    last_login: seen?.at ?? null,
    profile: first_name === "" && last_name === "" ? null : { first_name, last_name },
  };
  const hasZones = joined.hasZone && seen?.hasZone !== false;
  return { kind: "row", row, notes: [...notesOn(row, hasZones), ...rights.notes] };
}

function unholdableName(username: string): string | null {
  if (username === "") return "the user name is empty";
  if ([...username].length > USERNAME_LENGTH_MAX)
    return `the user name is longer than ${USERNAME_LENGTH_MAX} characters`;
  if (username.includes("\0")) return "the user name has a NUL in it"; // where SQLite's length() ends
  return null;
}

function notesOn(row: ImportedUser, hasZones: boolean): string[] {
  const { username, email } = row;
  const hash = parsePasswordHash(row.password_hash);
  const notes: (string | false)[] = [
    hash.algorithm === "unusable" && "no usable password: cannot sign in with one",
    hash.algorithm === "unsupported" && `password needs a reset, its hash cannot be verified: ${hash.reason}`,
    username !== normalizeUsername(username) && "user name not in Unicode's NFKC form",
    !isUsername(normalizeUsername(username)) && "user name that a new account may not have",
    impersonatesEmail(username, email) && "user name that reads like an e-mail address not the account's own",
    email !== null && !isEmail(email) && "e-mail that a new account may not have",
    !hasZones && ZONELESS,
  ];
  return notes.filter((note) => note !== false);
}

function refused(reason: string): UserDecision {
  return { kind: "refused", reason };
}
