/** Patience with a local database that another process is writing to. */
import { setTimeout } from "node:timers/promises";

const TRIES_MAX = 100;
const PAUSE_MS = 83;
/** What SQLite says, and what the runtime says when that happens where it does not expect it. */
const BUSY = /SQLITE_BUSY|internal error/;

/**
 * Repeats `attempt` for some seconds while the database is locked: a local one does not wait for its lock by itself.
 * Such an attempt may have been written all the same. Throws in the end, and says what to do.
 */
export async function whileBusy<Value>(attempt: () => Promise<Value>): Promise<Value> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Error) || !BUSY.test(error.message)) throw error;
      if (tries === TRIES_MAX) {
        const advice = "stop the service, if it runs on this folder, and run the import once more";
        throw new Error(`the database does not let us in: ${advice} (${error.message.trim()})`);
      }
      await setTimeout(PAUSE_MS);
    }
  }
}
