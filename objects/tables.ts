/** Applies the append-only table steps of an object, each once, and remembers how many. */

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
