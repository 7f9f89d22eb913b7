/**
 * What an import has to remember of the export beside the record in its hands: names, ids, groups, the blacklist.
 * Kept in a temporary SQLite file that is gone with the process, so that a million users do not fill the memory.
 */
import { DatabaseSync } from "node:sqlite";
import type { Membership } from "./roles.ts";
import {
  BLACKLIST_TABLE,
  type DjangoUser,
  type Entry,
  GROUP_TABLE,
  MEMBER_TABLE,
  type Misfit,
  PERMITTED_TABLE,
  USER_TABLE,
} from "./tables.ts";
import { decideUser } from "./users.ts";

const CACHE_KIB = 8_192;

export type Group = { readonly pk: number | null; readonly name: string };
export type Blacklisting = { readonly pk: number; readonly token: number };

const NO_RIGHTS = { role: "user", notes: [] };

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
      CREATE TABLE misfits (place TEXT NOT NULL, of_table TEXT NOT NULL, reason TEXT NOT NULL);
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
      strangers: prepare(`
        SELECT '${MEMBER_TABLE}' AS of_table, user_id, 'user ' || user_id || ', group ' || group_id AS place
        FROM members WHERE user_id NOT IN (SELECT id FROM seen)
        UNION ALL SELECT '${PERMITTED_TABLE}', user_id, 'user ' || user_id
        FROM permitted WHERE user_id NOT IN (SELECT id FROM seen)`),
      addMisfit: prepare("INSERT INTO misfits (of_table, place, reason) VALUES (?, ?, ?)"),
      misfits: prepare("SELECT of_table, place, reason FROM misfits ORDER BY rowid"),
      permit: prepare("INSERT INTO permitted VALUES (?) ON CONFLICT DO NOTHING"),
      isPermitted: prepare("SELECT 1 FROM permitted WHERE user_id = ?"),
      blacklist: prepare("INSERT INTO blacklist (token, pk) VALUES (?, ?) ON CONFLICT DO NOTHING"),
      find: prepare("UPDATE blacklist SET is_found = 1 WHERE token = ? RETURNING pk"),
      unfound: prepare("SELECT pk, token FROM blacklist WHERE is_found = 0 ORDER BY pk"),
    };
  }

  /** The highest id of a user that `keep` was told of and the tables here can hold. */
  get highestId(): number {
    return this.#highestId;
  }

  /** Keeps what other records are understood by, and those that another of the file excludes. */
  keep(entry: Entry): void {
    const { addGroup, addMember, permit, blacklist } = this.#statements;
    const { table, place } = entry;
    if (table === USER_TABLE) {
      const { kind } = decideUser(entry, NO_RIGHTS);
      if (kind === "row") this.#highestId = Math.max(this.#highestId, entry.pk);
    } else if (table === GROUP_TABLE) {
      const { changes } = addGroup.run(entry.pk ?? null, entry.fields.name);
      if (Number(changes) === 0) this.refuse({ table, place, reason: "the file has this id twice" });
    } else if (table === MEMBER_TABLE) addMember.run(entry.fields.user_id, entry.fields.group_id);
    else if (table === PERMITTED_TABLE) permit.run(entry.fields.user_id);
    else if (table === BLACKLIST_TABLE) {
      const { changes } = blacklist.run(entry.fields.token, entry.pk);
      if (Number(changes) === 0) this.refuse({ table, place, reason: "the file lists this token twice" });
    }
  }

  /** Keeps a record that nothing can be made of. */
  refuse({ table, place, reason }: Misfit): void {
    this.#statements.addMisfit.run(table, place, reason);
  }

  /** What `refuse` was told of. */
  *misfits(): Generator<{ table: string; place: string; reason: string }> {
    for (const { of_table, place, reason } of this.#statements.misfits.iterate())
      yield { table: String(of_table), place: String(place), reason: String(reason) };
  }

  /** After all users: memberships and permissions of users that the file does not have. */
  *strangers(): Generator<{ table: string; place: string }> {
    for (const { of_table, place } of this.#statements.strangers.iterate())
      yield { table: String(of_table), place: String(place) };
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
