/** Counts what became of the records of each table. */
import type { RowReport, Verdict } from "./in-batches.ts";
import { USER_TABLE } from "./tables.ts";

type Count = Record<Verdict, number>;

export class Tally {
  readonly #tables = new Map<string, Count>();
  /** Of users; a reason may name an id, so those are in the report alone. */
  readonly #notes = new Map<string, number>();
  readonly #reasons = new Map<string, number>();
  #refused = 0;

  /** The tables are counted from the beginning, so that one with no record is named. */
  constructor(tables: readonly string[]) {
    for (const table of tables)
      this.#tables.set(table, { imported: 0, updated: 0, unchanged: 0, refused: 0 });
  }

  /** Refused records so far. */
  get refused(): number {
    return this.#refused;
  }

  add({ table, verdict, reason, notes = [] }: RowReport): void {
    const count = this.#tables.get(table);
    if (count !== undefined) count[verdict] += 1;
    if (verdict === "refused") this.#refused += 1;
    for (const note of notes) raise(this.#notes, note);
    if (reason !== undefined && table !== USER_TABLE) raise(this.#reasons, `${table}: ${reason}`);
  }

  /** Numbers by table and verdict, by note, and by reason where the reason says no number. */
  summary(): object {
    const tables = Object.fromEntries(this.#tables);
    return { tables, notes: Object.fromEntries(this.#notes), reasons: Object.fromEntries(this.#reasons) };
  }
}

function raise(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
