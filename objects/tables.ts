/** Applies the append-only table steps of an object, each once, and remembers how many. */
import type { WakeUp } from "./wake-up.ts";

/** The table that counts the steps: lists of steps that are applied apart are counted apart. */
type Ledger = "_tables" | "_abuse_tables";

/**
 * Brings an object's tables up to date. `user_version` is closed to objects, so the number of
 * applied steps has a table of its own. Costs one read when there is nothing to do.
 */
export function applyTables(
  storage: DurableObjectStorage,
  steps: readonly string[],
  ledger: Ledger = "_tables",
): void {
  const done = hasTables(storage.sql, ledger)
    ? Number(storage.sql.exec(`SELECT max(step) AS step FROM ${ledger}`).one().step)
    : 0;
  if (done >= steps.length) return;
  storage.transactionSync(() => {
    storage.sql.exec(`CREATE TABLE IF NOT EXISTS ${ledger} (step INTEGER PRIMARY KEY) STRICT`);
    steps.slice(done).forEach((step, index) => {
      storage.sql.exec(step);
      storage.sql.exec(`INSERT INTO ${ledger} (step) VALUES (?)`, done + index + 1);
    });
  });
}

/** False for an object that was never used, or that has emptied itself. */
export function hasTables(sql: SqlStorage, ledger: Ledger = "_tables"): boolean {
  return (
    sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", ledger).toArray().length > 0
  );
}

/**
 * The tables of an object that has none until it is used, and none once nothing is left of it.
 * Whatever makes them leaves an alarm, without which they would never vanish again.
 */
export class TablesOnDemand {
  readonly #storage: DurableObjectStorage;
  readonly #steps: readonly string[];
  readonly #wakeUp: WakeUp;
  #isReady = false;

  constructor(storage: DurableObjectStorage, steps: readonly string[], wakeUp: WakeUp) {
    this.#storage = storage;
    this.#steps = steps;
    this.#wakeUp = wakeUp;
  }

  /** True if there are tables, which are then up to date: an older release may have made them. */
  areThere(): boolean {
    if (!this.#isReady && hasTables(this.#storage.sql)) {
      applyTables(this.#storage, this.#steps);
      this.#isReady = true;
    }
    return this.#isReady;
  }

  /** The transaction of a turn, which makes the tables if it is the object's first. */
  transactionSync<Answer>(nowMs: number, decide: () => Answer): Answer {
    if (this.areThere()) return this.#wakeUp.transactionSync(decide);
    const answer = this.#wakeUp.transactionSync(() => {
      applyTables(this.#storage, this.#steps);
      const decided = decide();
      this.#wakeUp.ifUnset(nowMs);
      return decided;
    });
    this.#isReady = true;
    return answer;
  }

  /** Empties the object; its alarm goes with it, also one that a command asked for while something was delivered. */
  async deleteAll(): Promise<void> {
    this.#isReady = false;
    this.#wakeUp.unset();
    await this.#storage.deleteAll();
  }
}
