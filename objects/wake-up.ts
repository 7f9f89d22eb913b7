/**
 * One alarm for many purposes. `setAlarm` overwrites, so the earliest wish wins here; it is
 * called in the same turn as the writes that need it, and so commits with them.
 */

/** Looks whether anything is left of an object that had nothing to wait for. */
const LOOK_AFTER_MS = 600_000;
/** An alarm nearer than this can fire while its own turn still runs, and KV takes one write a second. */
const AHEAD_MS_MIN = 1000;

export class WakeUp {
  readonly #storage: DurableObjectStorage;
  #atMs: number | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Learns of an alarm set in an earlier life of the object. Call it in the constructor, with the gate closed. */
  async load(): Promise<void> {
    this.#atMs = await this.#storage.getAlarm();
  }

  /** Wakes the object at `atMs` or before: an alarm that is already nearer stays. Costs one row written if it moves. */
  noLaterThan(atMs: number, nowMs: number): void {
    const wanted = Math.max(atMs, nowMs + AHEAD_MS_MIN);
    if (this.#atMs !== null && this.#atMs <= wanted) return;
    this.#atMs = wanted;
    void this.#storage.setAlarm(wanted); // the output gate holds the answer until this is durable
  }

  /** Wakes the object some time, if nothing else would: tables without an alarm never vanish. */
  ifUnset(nowMs: number): void {
    if (this.#atMs === null) this.noLaterThan(nowMs + LOOK_AFTER_MS, nowMs);
  }

  /** To be called where no alarm is set any more: first in its handler, and where all is deleted. */
  unset(): void {
    this.#atMs = null;
  }

  /** The transaction of a turn. What throws rolls back its alarm, too. */
  transactionSync<Answer>(decide: () => Answer): Answer {
    const beforeMs = this.#atMs;
    try {
      return this.#storage.transactionSync(decide);
    } catch (error) {
      this.#atMs = beforeMs;
      throw error;
    }
  }
}
