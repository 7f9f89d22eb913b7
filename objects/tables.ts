/** Applies the append-only table steps of an object, each once, and remembers how many. */

/**
 * Brings an object's tables up to date. `user_version` is closed to objects, so the number of
 * applied steps has a table of its own. Costs one read when there is nothing to do.
 */
export function applyTables(storage: DurableObjectStorage, steps: readonly string[]): void {
  const done = hasTables(storage.sql)
    ? Number(storage.sql.exec("SELECT max(step) AS step FROM _tables").one().step)
    : 0;
  if (done >= steps.length) return;
  storage.transactionSync(() => {
    storage.sql.exec("CREATE TABLE IF NOT EXISTS _tables (step INTEGER PRIMARY KEY) STRICT");
    steps.slice(done).forEach((step, index) => {
      storage.sql.exec(step);
      storage.sql.exec("INSERT INTO _tables (step) VALUES (?)", done + index + 1);
    });
  });
}

/** False for an object that was never used, or that has emptied itself. */
export function hasTables(sql: SqlStorage): boolean {
  return (
    sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_tables'").toArray().length > 0
  );
}
