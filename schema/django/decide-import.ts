/**
 * What an import does with one user, given what is here already: a three-way comparison of Django, of what an
 * earlier import took over from it (kept as digests in `imported_users`), and of the account as it is now. What was
 * changed here since stays; another account is never touched. Pure.
 */
import { createHash } from "node:crypto";
import type { UserRow } from "../users.ts";
import type { ImportedUser } from "./users.ts";

/** SHA-256, base64url: of the whole record, of what only a deliberate change alters, and of the hash. */
export type Digests = { readonly source: string; readonly account: string; readonly password: string };

/** A user as found here, with what the last import took over: null for an account that was made here. */
export type PresentUser = Omit<UserRow, "has_second_factor" | "password_version"> & {
  readonly username_key: string;
  readonly email_key: string | null;
  readonly first_name: string | null;
  readonly last_name: string | null;
  readonly imported: Digests | null;
  /** Of the hash that a sign-in here wrote in place of the imported one, if one did. */
  readonly renewedDigest: string | null;
};

export type Present = {
  readonly byId: PresentUser | null;
  /** The id of the account that has exactly this user name. */
  readonly idOfUsername: number | null;
  /** Once imported, deleted here since. */
  readonly isDeleted: boolean;
};

/** What an existing account becomes: all columns, of which some keep their values. */
export type Update = Pick<
  ImportedUser,
  "username" | "username_key" | "email" | "email_key" | "role" | "created_at" | "password_hash" | "last_login"
> & {
  readonly is_active: number;
  /** Null where the names stay as they are. */
  readonly profile: ImportedUser["profile"];
  readonly digests: Digests;
};

export type ImportDecision =
  | { readonly kind: "imported"; readonly digests: Digests }
  | { readonly kind: "updated"; readonly update: Update; readonly notes: readonly string[] }
  | { readonly kind: "unchanged" }
  | { readonly kind: "refused"; readonly reason: string };

const OTHER_NAME = "the id belongs to an account with another name here";
const PASSWORD_STAYS = "password changed in Django, but also changed here: stays as it is here";

/**
 * Decides one user. A change on both sides is refused, except that a conflict over the password keeps only that, and a
 * new name that another account has here keeps only the old name.
 */
export function decideImport(row: ImportedUser, present: Present): ImportDecision {
  const { byId, idOfUsername, isDeleted } = present;
  if (byId === null) {
    if (isDeleted) return refused("deleted here since it was imported");
    if (idOfUsername !== null) return refused(`the user name belongs to account ${idOfUsername} here`);
    return { kind: "imported", digests: digestsOf(row) };
  }
  if (byId.imported === null) {
    const isNamesake = byId.username === row.username;
    return refused(isNamesake ? "id and name belong to an account that was made here" : OTHER_NAME);
  }
  const { username, username_key } = byId;
  if (idOfUsername === null || idOfUsername === byId.id) return decideChange(row, byId, byId.imported, null);
  const nameStays = `renamed in Django to the name of account ${idOfUsername} here: keeps its name`;
  return decideChange({ ...row, username, username_key }, byId, byId.imported, nameStays);
}

/** Decides about an account that was imported; `nameStays` says why it may not have Django's name. */
function decideChange(
  row: ImportedUser,
  here: PresentUser,
  base: Digests,
  nameStays: string | null,
): ImportDecision {
  const next = digestsOf(row);
  if (next.source === base.source) return nameStays === null ? { kind: "unchanged" } : refused(nameStays);
  const now = digestsOf({ ...here, profile: profileOf(here) });
  const account = merge(base.account, now.account, next.account);
  // A hash that was merely renewed is still of the password that was taken over.
  const isRenewed = here.renewedDigest === now.password;
  const password = merge(base.password, isRenewed ? base.password : now.password, next.password);
  const last_login = later(here.last_login, row.last_login);
  if (account === "conflict") return refused("changed in Django and here since it was imported");

  const notes = [nameStays, password === "conflict" ? PASSWORD_STAYS : null].filter((note) => note !== null);
  const nothingElse = account === "keep" && last_login === here.last_login;
  if (nothingElse && password !== "take") {
    return notes.length === 0 ? { kind: "unchanged" } : refused(notes.join("; "));
  }
  // A conflict that was not resolved is to be told again, so what it is measured by stays.
  const digests = password === "conflict" ? { ...base, account: next.account } : next;
  const taken = account === "take" ? row : here;
  const { username, username_key, email, email_key, role, is_active, created_at } = taken;
  const update: Update = {
    ...{ username, username_key, email, email_key, role, is_active, created_at, last_login, digests },
    password_hash: password === "take" ? row.password_hash : here.password_hash,
    profile: account === "take" ? newNames(row, here) : null,
  };
  return { kind: "updated", update, notes };
}

type Digestible = Pick<
  ImportedUser,
  "username" | "email" | "password_hash" | "role" | "created_at" | "last_login" | "profile"
> & { readonly id: number; readonly is_active: number };

/** A sign-in here moves `last_login` and may renew the hash, so neither of them tells of a deliberate change. */
function digestsOf(row: Digestible): Digests {
  const { id, username, email, password_hash, role, is_active, created_at, last_login, profile } = row;
  const { first_name, last_name } = profile ?? { first_name: "", last_name: "" };
  const account = [id, username, email, role, is_active, created_at, first_name, last_name];
  return {
    source: digest([...account, password_hash, last_login]),
    account: digest(account),
    password: hashDigest(password_hash),
  };
}

/** How a hash is told again (`imported_users`) without being kept. */
export function hashDigest(encoded: string): string {
  return digest([encoded]);
}

function digest(fields: readonly (string | number | null)[]): string {
  return createHash("sha256").update(JSON.stringify(fields)).digest("base64url");
}

function profileOf({ first_name, last_name }: PresentUser): ImportedUser["profile"] {
  return { first_name: first_name ?? "", last_name: last_name ?? "" };
}

/** Django's names, also where both are empty now; null where there are none on either side. */
function newNames(row: ImportedUser, present: PresentUser): ImportedUser["profile"] {
  return row.profile ?? (present.first_name === null ? null : { first_name: "", last_name: "" });
}

/** Each argument is a digest: of what was taken over, of what is here, of what Django has. */
function merge(base: string, here: string, next: string): "keep" | "take" | "conflict" {
  if (next === base || next === here) return "keep";
  return here === base ? "take" : "conflict";
}

function later(here: number | null, there: number | null): number | null {
  if (here === null || there === null) return here ?? there;
  return Math.max(here, there);
}

function refused(reason: string): ImportDecision {
  return { kind: "refused", reason };
}
