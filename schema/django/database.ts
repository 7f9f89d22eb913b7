/** What the import needs of a D1 database, wherever that is: a folder's file, Cloudflare's API, or a binding. */

/** Every parameter is text: a column's own type turns it into a number. */
export type Statement = { readonly sql: string; readonly params: readonly string[] };

export interface ImportDatabase {
  /**
   * Runs the statements in one transaction; the rows of each, in their order. Rejects with `NoAnswer` if it may help
   * to ask again, with anything else if it does not.
   */
  batch<Row>(statements: readonly Statement[]): Promise<Row[][]>;
}

/** The database gave no answer. What it was asked may have been done all the same. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
  /** How long it asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs = 0) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}
