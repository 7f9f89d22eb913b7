/**
 * What an import has to remember of the export beside the record in its hands: names, ids, groups, the blacklist.
 * Kept in a temporary SQLite file that is gone with the process, so that a million users do not fill the memory.
 */
import { DatabaseSync } from "node:sqlite";
import type { Membership } from "./roles.ts";
import { BLACKLIST_TABLE, type DjangoUser, type Entry, GROUP_TABLE, USER_TABLE } from "./tables.ts";

const CACHE_KIB = 8_192;

export type Group = { readonly pk: number | null; readonly name: string };
export type Blacklisting = { readonly pk: number; readonly token: number };

export class Stage implements Disposable {
  /** Without a name it is a temporary file, deleted when it is closed and when the process ends in any way. */
  readonly #db = new DatabaseSync("");
  readonly #statements;
  #highestId = 0;

  constructor() {
    this.#db.exec(`
      PRAGMA journal_mode = OFF;
      PRAGMA cache_size = -${CACHE_KIB};
      BEGIN;
      CREATE TABLE seen (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, is_here INTEGER NOT NULL DEFAULT 0);
      CREATE TABLE groups (pk INTEGER UNIQUE, name TEXT NOT NULL);
      CREATE TABLE members (user_id INTEGER, group_id INTEGER, PRIMARY KEY (user_id, group_id)) WITHOUT ROWID;
      CREATE TABLE permitted (user_id INTEGER PRIMARY KEY);
      CREATE TABLE blacklist (token INTEGER PRIMARY KEY, pk INTEGER NOT NULL, is_found INTEGER NOT NULL DEFAULT 0);`);
    const prepare = (sql: string) => this.#db.prepare(sql);
    this.#statements = {
      see: prepare("INSERT INTO seen (id, username) VALUES (?, ?) ON CONFLICT DO NOTHING"),
      other: prepare("SELECT id FROM seen WHERE username = ?"),
      isHere: prepare("SELECT is_here FROM seen WHERE id = ?"),
      takeIn: prepare("UPDATE seen SET is_here = 1 WHERE id = ?"),
      addGroup: prepare("INSERT INTO groups (pk, name) VALUES (?, ?) ON CONFLICT DO NOTHING"),
      groupName: prepare("SELECT name FROM groups WHERE pk = ?"),
      groups: prepare("SELECT pk, name FROM groups ORDER BY rowid"),
      addMember: prepare("INSERT INTO members VALUES (?, ?) ON CONFLICT DO NOTHING"),
      groupsOf: prepare("SELECT group_id FROM members WHERE user_id = ?"),
      permit: prepare("INSERT INTO permitted VALUES (?) ON CONFLICT DO NOTHING"),
      isPermitted: prepare("SELECT 1 FROM permitted WHERE user_id = ?"),
      blacklist: prepare("INSERT INTO blacklist (token, pk) VALUES (?, ?) ON CONFLICT DO NOTHING"),
      find: prepare("UPDATE blacklist SET is_found = 1 WHERE token = ? RETURNING pk"),
      unfound: prepare("SELECT pk, token FROM blacklist WHERE is_found = 0 ORDER BY pk"),
    };
  }

  /** The highest id of a user that `keep` was told of. */
  get highestId(): number {
    return this.#highestId;
  }

  /** Keeps what other records are understood by. */
  keep(entry: Entry): void {
    const { addGroup, addMember, permit, blacklist } = this.#statements;
    if (entry.table === USER_TABLE) this.#highestId = Math.max(this.#highestId, entry.pk);
    else if (entry.table === GROUP_TABLE) addGroup.run(entry.pk ?? null, entry.fields.name);
    else if (entry.table === "auth_user_groups") addMember.run(entry.fields.user_id, entry.fields.group_id);
    else if (entry.table === "auth_user_user_permissions") permit.run(entry.fields.user_id);
    else if (entry.table === BLACKLIST_TABLE) blacklist.run(entry.fields.token, entry.pk);
  }

  /** Takes note of a user of the file; says why not, if an earlier one had the id or the name. */
  see({ pk, fields: { username } }: DjangoUser): string | null {
    // SQLite would keep another text, which may be somebody else's name.
    if (!username.isWellFormed()) return null;
    if (Number(this.#statements.see.run(pk, username).changes) === 1) return null;
    if (this.#statements.isHere.get(pk) !== undefined) return "the file has this id twice";
    return `the file has this user name twice: also ${this.#statements.other.get(username)?.id}`;
  }

  /** Notes that this user of the file is here now, or would be after a dry run. */
  takeIn(id: number): void {
    this.#statements.takeIn.run(id);
  }

  isHere(id: number): boolean {
    return this.#statements.isHere.get(id)?.is_here === 1;
  }

  membershipOf({ pk, fields }: DjangoUser): Membership {
    const { groupsOf, groupName, isPermitted } = this.#statements;
    const listed = [...(fields.groups ?? []), ...groupsOf.all(pk).map(({ group_id }) => Number(group_id))];
    const groups = listed.map((group) => (typeof group === "string" ? group : groupName.get(group)?.name));
    return {
      groups: groups.filter((name) => typeof name === "string"),
      unnamedGroups: listed
        .filter((group, at) => typeof group === "number" && groups[at] === undefined)
        .map(Number),
      hasPermissions: (fields.user_permissions ?? []).length > 0 || isPermitted.get(pk) !== undefined,
    };
  }

  groups(): Group[] {
    return this.#statements.groups.all().map(({ pk, name }) => ({
      pk: pk === null ? null : Number(pk),
      name: String(name),
    }));
  }

  /** The entry of the blacklist that names this token, which is then found; null if there is none. */
  findBlacklisting(token: number): number | null {
    const found = this.#statements.find.get(token);
    return found === undefined ? null : Number(found.pk);
  }

  /** Entries whose token has not been looked for: after all tokens, those that the export lacks. */
  unfoundBlacklistings(): Blacklisting[] {
    return this.#statements.unfound.all().map(({ pk, token }) => ({ pk: Number(pk), token: Number(token) }));
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
