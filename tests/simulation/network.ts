/** What is on its way. It may arrive in any order, late, twice, or never. */
import type { RevocationScope, UserState } from "../../schema/user-authority.ts";
import type { Browser, Outcome, Presenter } from "./clients.ts";
import type { Speaker } from "./commands.ts";
import type { Presentation } from "./judge.ts";
import { name, type Token } from "./ledger.ts";
import type { Prng } from "./prng.ts";

export type Refreshing = Presentation & { kind: "refresh"; from: Presenter | null };
export type SigningIn = { kind: "login"; browser: Browser; user: UserState };
export type LoggingOut = {
  kind: "logout";
  browser: Browser;
  by: Speaker;
  scope: RevocationScope;
};
export type Request = Refreshing | SigningIn | LoggingOut;
export type Answer = { to: Presenter; token: Token; outcome: Outcome };

/** One line of a trace; made only if somebody reads it. */
export type Note = (line: () => string) => void;

/** Of what arrived, how much can arrive once more, much later. */
const RECENT_MAX = 8;

export class Network {
  readonly #prng: Prng;
  readonly #note: Note;
  readonly #requests: Request[] = [];
  readonly #answers: Answer[] = [];
  readonly #recent: Refreshing[] = [];

  constructor(prng: Prng, note: Note) {
    this.#prng = prng;
    this.#note = note;
  }

  send(request: Request): void {
    this.#requests.push(request);
  }

  /** Nobody waits for the answer to a copy. */
  answer({ from, token }: Refreshing, outcome: Outcome): void {
    if (from !== null) this.#answers.push({ to: from, token, outcome });
  }

  takeRequest(): Request | null {
    const request = this.#prng.takeAny(this.#requests);
    if (request?.kind === "refresh") this.#recent.push(request);
    if (this.#recent.length > RECENT_MAX) this.#recent.shift();
    return request;
  }

  deliverAnswer(): void {
    const answer = this.#prng.takeAny(this.#answers);
    if (answer === null) return;
    const { to, token, outcome } = answer;
    this.#note(
      () => `${to.label} hears of ${name(token)}: ${outcome === null ? "401" : name(outcome.token)}`,
    );
    to.received(token, outcome);
  }

  duplicate(): void {
    const original = this.#prng.pickAny(this.#prng.chance(0.5) ? this.#requests : this.#recent);
    if (original?.kind !== "refresh") return;
    this.#note(() => `the network copies ${name(original.token)}`);
    this.send({ ...original, isCopy: true, from: null });
  }

  loseRequest(): void {
    const lost = this.#prng.takeAny(this.#requests);
    if (lost === null) return;
    if (lost.kind === "login") lost.browser.isSigningIn = false;
    this.#note(() => `the network loses a ${lost.kind}`);
  }

  loseAnswer(): void {
    const lost = this.#prng.takeAny(this.#answers);
    if (lost !== null) this.#note(() => `the network loses the answer to ${name(lost.token)}`);
  }
}
