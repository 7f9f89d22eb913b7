/** What the guard keeps of abuse: the only SQL of it. The tables come with the first failure. */
import { IP_GUARD_ABUSE_TABLES } from "../../schema/object-tables.ts";
import { applyTables, hasTables } from "../tables.ts";
import { type Suspicions, UNSUSPECTED } from "./abuse.ts";
import type { Standing } from "./blocks.ts";

const LEDGER = "_abuse_tables";

export class AbuseState {
  readonly #storage: DurableObjectStorage;
  /** Null until looked up, so that a guard without abuse pays one read in each of its lives. */
  #exists: boolean | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  get exists(): boolean {
    this.#exists ??= hasTables(this.#storage.sql, LEDGER);
    return this.#exists;
  }

  /** To be called before the turn that writes, never inside: a turn may roll back. */
  prepare(): void {
    if (this.exists) return;
    applyTables(this.#storage, IP_GUARD_ABUSE_TABLES, LEDGER);
    this.#exists = true;
  }

  /** After the object has emptied itself. */
  forget(): void {
    this.#exists = null;
  }

  suspicions(): Suspicions {
    return (this.#read("suspicions") as Suspicions | null) ?? UNSUSPECTED;
  }

  standing(): Standing | null {
    return this.#read("block") as Standing | null;
  }

  /** One row written. */
  put(name: "suspicions" | "block", state: Suspicions | Standing): void {
    this.#storage.sql.exec(
      "INSERT INTO abuse (name, state) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
      name,
      JSON.stringify(state),
    );
  }

  delete(name: "suspicions" | "block"): void {
    this.#storage.sql.exec("DELETE FROM abuse WHERE name = ?", name);
  }

  #read(name: string): unknown {
    if (!this.exists) return null;
    const [row] = this.#storage.sql
      .exec<{ state: string }>("SELECT state FROM abuse WHERE name = ?", name)
      .toArray();
    return row === undefined ? null : JSON.parse(row.state);
  }
}
