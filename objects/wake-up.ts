/**
 * One alarm for many purposes. `setAlarm` overwrites, so the earliest wish wins here; it is
 * called in the same turn as the writes that need it, and so commits with them.
 */

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

  /** To be called first in the alarm handler: the alarm that fired is no longer set. */
  fired(): void {
    this.#atMs = null;
  }
}
