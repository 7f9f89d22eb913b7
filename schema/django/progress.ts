/** How far something has come, for a person: a bar that is redrawn on a terminal, a line a second elsewhere. */

const EVERY_MS = 1000;
const BAR_EVERY_MS = 100;
const BAR_WIDTH = 24;
const CLEAR_LINE = "\r\x1b[K";

/** Where the words go: stderr. */
export type Screen = { readonly isTTY?: boolean; readonly write: (text: string) => unknown };

export class Progress {
  readonly #screen: Screen;
  readonly #prefix: string;
  #what = "";
  #total: number | null = null;
  #done = 0;
  #beganMs = 0;
  #saidMs = 0;

  /** Every line begins with `prefix`. */
  constructor(screen: Screen, prefix: string) {
    this.#screen = screen;
    this.#prefix = prefix;
  }

  /** Begins a part of the work; `total` is null where nobody knows it yet. */
  begin(what: string, total: number | null): void {
    this.#what = what;
    this.#total = total;
    this.#done = 0;
    this.#beganMs = performance.now();
    this.#saidMs = this.#beganMs;
  }

  add(): void {
    this.#done += 1;
    const everyMs = this.#screen.isTTY === true ? BAR_EVERY_MS : EVERY_MS;
    if (performance.now() - this.#saidMs >= everyMs) this.#show();
  }

  /** Says where the part has ended. */
  end(): void {
    this.#show();
    if (this.#screen.isTTY === true) this.#screen.write("\n");
  }

  /** A line of its own; a bar goes on below it. */
  say(line: string): void {
    const clear = this.#screen.isTTY === true ? CLEAR_LINE : "";
    this.#screen.write(`${clear}${this.#prefix}${line}\n`);
  }

  #show(): void {
    this.#saidMs = performance.now();
    const line = describeProgress(this.#what, this.#done, this.#total, (this.#saidMs - this.#beganMs) / 1000);
    if (this.#screen.isTTY !== true) this.say(line);
    else this.#screen.write(`${CLEAR_LINE}${this.#prefix}${barOf(this.#done, this.#total)}${line}`);
  }
}

/** `1200 of 5000 records, 600 a second, 0:06 left`. */
export function describeProgress(what: string, done: number, total: number | null, seconds: number): string {
  const rate = done / Math.max(seconds, 0.001);
  const said = `${total === null ? done : `${done} of ${total}`} ${what}, ${Math.round(rate)} a second`;
  if (total === null || done === 0 || done >= total) return said;
  return `${said}, ${clock((total - done) / rate)} left`;
}

function barOf(done: number, total: number | null): string {
  if (total === null || total === 0) return "";
  const share = Math.min(done / total, 1);
  const filled = Math.round(share * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${Math.floor(share * 100)}% `;
}

function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${String(minutes).padStart(2, "0")}:${rest}`;
}
