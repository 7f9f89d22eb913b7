/** Counts what became of the users, and says how it goes. */
import type { RowReport, Verdict } from "./import-users.ts";

const PROGRESS_EVERY_MS = 1000;
/** The report file has them all. */
const REFUSALS_SHOWN_MAX = 20;

export class Tally {
  readonly #beganMs = performance.now();
  #saidMs = performance.now();
  #done = 0;
  readonly #verdicts: Record<Verdict, number> = { imported: 0, updated: 0, unchanged: 0, refused: 0 };
  readonly #notes: Record<string, number> = {};
  readonly #total: number;
  readonly #say: (line: string) => void;

  /** `total` users are expected; `say` takes one line for a person. */
  constructor(total: number, say: (line: string) => void) {
    this.#total = total;
    this.#say = say;
  }

  add({ pk, username, verdict, reason, notes = [] }: RowReport): void {
    this.#done += 1;
    this.#verdicts[verdict] += 1;
    for (const note of notes) this.#notes[note] = (this.#notes[note] ?? 0) + 1;
    if (verdict === "refused" && this.#verdicts.refused <= REFUSALS_SHOWN_MAX) {
      this.#say(`refused: ${JSON.stringify({ pk, username, reason })}`);
    }
    if (performance.now() - this.#saidMs >= PROGRESS_EVERY_MS) this.sayProgress();
  }

  /** Says where it stands; `add` does too, once a second. */
  sayProgress(): void {
    this.#saidMs = performance.now();
    const seconds = (this.#saidMs - this.#beganMs) / 1000;
    this.#say(
      `${this.#done} of ${this.#total} users, ${Math.round(this.#done / Math.max(seconds, 0.001))} a second`,
    );
  }

  /** Numbers by verdict and by note. */
  summary(): object {
    return { users: this.#done, ...this.#verdicts, notes: this.#notes };
  }
}
