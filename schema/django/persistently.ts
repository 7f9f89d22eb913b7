/** Patience with a database that gives no answer. */
import { setTimeout } from "node:timers/promises";
import { NoAnswer } from "./database.ts";

const TRIES_MAX = 8;
const PAUSE_MS = 250;

/**
 * Repeats `attempt` while it ends with `NoAnswer`, each time after a longer pause, or the one that was asked for.
 * Throws in the end what the last attempt did: a repeated import goes on from there.
 */
export async function persistently<Value>(attempt: () => Promise<Value>): Promise<Value> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof NoAnswer) || tries === TRIES_MAX) throw error;
      await setTimeout(Math.max(error.retryAfterMs, PAUSE_MS * 2 ** (tries - 1)));
    }
  }
}
