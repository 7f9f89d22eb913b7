/**
 * Questions that wait for their turn: first come, first served. In memory, since whoever waits is an open
 * request: the line is lost with the object, and so are they. Nothing is held while one waits, and who has
 * vanished is asked like any other, so that nobody is held up.
 */
type Waiting = { isServed: () => boolean; fail: (error: unknown) => void };

export class WaitingLine {
  readonly #waiting: Waiting[] = [];

  /**
   * The first answer of `ask` that is not null: it is asked when it comes, with how many are `ahead`, and
   * at its turn whenever the line moves. After `patienceMs`, the answer of `giveUp`.
   */
  join<Answer>(
    ask: (ahead: number) => Answer | null,
    giveUp: () => Answer,
    patienceMs: number,
  ): Promise<Answer> {
    this.move(); // whoever is ahead comes first
    return new Promise((resolve, fail) => {
      const isServed = (ahead: number) => {
        const answer = ask(ahead);
        if (answer !== null) resolve(answer);
        return answer !== null;
      };
      if (isServed(this.#waiting.length)) return;
      const waiting = { isServed: () => isServed(0), fail };
      this.#waiting.push(waiting);
      setTimeout(() => {
        const place = this.#waiting.indexOf(waiting);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        try {
          resolve(giveUp());
        } catch (error) {
          fail(error);
        }
      }, patienceMs);
    });
  }

  /** Asks those in front, until one must go on waiting. */
  move(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      try {
        if (!first.isServed()) return;
      } catch (error) {
        first.fail(error);
      }
      this.#waiting.shift();
    }
  }
}
