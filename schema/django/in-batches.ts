/** The shape of every part of the import: some records at once, each batch written whole or not at all. */
import { persistently } from "./persistently.ts";

export type Verdict = "imported" | "updated" | "unchanged" | "refused";

/** What became of one record, in the order of the file. */
export type RowReport = {
  /** Django's. */
  readonly table: string;
  /** Its key in Django; undefined where that is a credential. */
  readonly pk?: number;
  /** Where in the file it is, if it has no other name. */
  readonly place?: string;
  readonly username?: string;
  readonly name?: string;
  readonly verdict: Verdict;
  /** Only beside `refused`. */
  readonly reason?: string;
  /** What an operator may want to know; never an error. */
  readonly notes?: readonly string[];
};

export const CHANGED_MEANWHILE = "changed here while the import ran; run it once more";

const BATCH_MAX = 500;
/** Code units of JSON: a parameter of D1 has at most 2 MB, at up to three bytes a unit. */
const BATCH_LENGTH_MAX = 600_000;

/** What is to become of one record: the report is true once `write` is written. */
export type Plan<Write> = { readonly report: RowReport; readonly write?: Write };

/**
 * Yields a report for each item, once it is written. `plan` looks at what is here and is asked again when the
 * database gave no answer; `write` answers for each plan whether it was carried out, or is null in a dry run.
 */
export async function* inBatches<Item, Write>(
  items: AsyncIterable<Item>,
  plan: (batch: readonly Item[]) => Promise<readonly Plan<Write>[]>,
  write: ((writes: readonly Write[]) => Promise<(one: Write) => boolean>) | null,
): AsyncGenerator<RowReport> {
  for await (const batch of batchesOf(items)) {
    let attempted: readonly Plan<Write>[] = [];
    yield* await persistently(async () => {
      const plans = (await plan(batch)).map((next, index) => {
        // An attempt that failed may have been written: what is unchanged by now became so through it.
        const { report } = (next.report.verdict === "unchanged" && attempted[index]) || next;
        return { ...next, report };
      });
      attempted = plans;
      const writes = plans.flatMap((one) => one.write ?? []);
      if (write === null || writes.length === 0) return plans.map(({ report }) => report);
      const isWritten = await write(writes);
      return plans.map((one) =>
        one.write === undefined || isWritten(one.write) ? one.report : late(one.report),
      );
    });
  }
}

function late({ notes: _, ...report }: RowReport): RowReport {
  return { ...report, verdict: "refused", reason: CHANGED_MEANWHILE };
}

async function* batchesOf<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  let length = 0;
  for await (const item of items) {
    const more = JSON.stringify(item).length;
    if (batch.length === BATCH_MAX || (length + more > BATCH_LENGTH_MAX && batch.length > 0)) {
      yield batch;
      batch = [];
      length = 0;
    }
    batch.push(item);
    length += more;
  }
  if (batch.length > 0) yield batch;
}
