/** The audit trail as D1 holds it, once what is on its way has arrived. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

const TRIES = 400;
const PAUSE_MS = 50;

export type TrailRow = Record<string, string | number | null>;

/** The events that `condition` (SQL) selects, oldest first, as soon as there are `count` or more; fewer if they do not come. */
export async function trail(condition: string, bound: unknown[], count: number): Promise<TrailRow[]> {
  const query = `SELECT * FROM audit_events WHERE ${condition} ORDER BY at, type, id`;
  for (let i = 0; ; i += 1) {
    const { results } = await env.DB.prepare(query)
      .bind(...bound)
      .all<TrailRow>();
    if (results.length >= count || i === TRIES) return results;
    await pause();
  }
}

/** A user's events that are more than routine. */
export function notable(userId: number, count: number): Promise<TrailRow[]> {
  return trail("user_id = ? AND risk <> 'low'", [userId], count);
}

/** Runs the object's alarm until all that it had to tell has arrived. */
export async function delivered(stub: DurableObjectStub): Promise<void> {
  for (let i = 0; i < TRIES; i += 1) {
    await runDurableObjectAlarm(stub);
    const left = await runInDurableObject(stub, (_object, { storage: { sql } }) => {
      const hasOutbox = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").toArray().length > 0;
      return hasOutbox ? sql.exec("SELECT 1 FROM outbox").toArray().length : 0;
    });
    if (left === 0) return;
    await pause();
  }
  throw new Error("the outbox did not empty itself");
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
