/**
 * One memory for every hash that is hard by memory: they are computed one after another. Whoever waits works on the
 * first of them, whosever it is. So nobody holds a lock, which a request that is cancelled between two slices would
 * never give back, and the first is done as soon as one after another allows.
 */
import { stepsIn, type Work, type Workshop } from "../derive.ts";

interface Job {
  /** Starts it; called once it is the first, and again if it was given up meanwhile. */
  readonly start: () => Work;
  under: { readonly work: Work; left: number } | null;
  outcome: { readonly result: Uint8Array } | { readonly error: unknown } | null;
}

export class Queue {
  readonly #jobs: Job[] = [];
  readonly #workshop: Workshop;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  /** The result of what `start` starts, which no other job's work overlaps. Throws what it throws. */
  async run(start: () => Work): Promise<Uint8Array> {
    const { slices, pause } = this.#workshop;
    const job: Job = { start, under: null, outcome: null };
    try {
      for (;;) {
        const slice = slices.next(job);
        if (!this.#jobs.includes(job)) this.#jobs.push(job); // new, or wrongly taken to be gone
        this.#advance(slice);
        if (job.outcome !== null) break;
        await pause();
        if (job.outcome !== null) break;
      }
    } finally {
      slices.leave(job);
    }
    if ("error" in job.outcome) throw job.outcome.error;
    return job.outcome.result;
  }

  /** Works on the first job that somebody still waits for. */
  #advance(microseconds: number): void {
    const job = this.#first();
    if (job === undefined) return;
    try {
      job.under ??= begun(job.start());
      const { work } = job.under;
      const steps = Math.min(job.under.left, stepsIn(microseconds, work));
      work.derivation.advance(steps);
      job.under.left -= steps;
      if (job.under.left > 0) return;
      job.outcome = { result: work.derivation.finish() };
    } catch (error) {
      job.under?.work.derivation.abort();
      job.outcome = { error };
    }
    this.#jobs.shift();
  }

  #first(): Job | undefined {
    for (;;) {
      const [job] = this.#jobs;
      if (job === undefined || this.#workshop.slices.has(job)) return job;
      job.under?.work.derivation.abort();
      job.under = null;
      this.#jobs.shift();
    }
  }
}

function begun(work: Work): { work: Work; left: number } {
  return { work, left: work.steps };
}
