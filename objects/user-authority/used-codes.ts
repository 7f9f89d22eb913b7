/** The used codes of one account: loads, decides, writes, tells. Its methods run inside a turn of the object. */
import type { CodeUse } from "../../schema/mfa.ts";
import type { OpenSession } from "../../schema/user-authority.ts";
import { DELIVERY_DELAY_MS, type Outbox } from "../outbox.ts";
import type { WakeUp } from "../wake-up.ts";
import { recoveryCodeUsed } from "./events.ts";
import { decideUse, NOTHING_USED, type UsedCodes, usedAt, usedKeptUntil } from "./mfa.ts";
import type { Turn } from "./turn.ts";

export class UsedCodesTable {
  readonly #sql: SqlStorage;
  readonly #outbox: Outbox;
  readonly #wakeUp: WakeUp;

  constructor(sql: SqlStorage, outbox: Outbox, wakeUp: WakeUp) {
    this.#sql = sql;
    this.#outbox = outbox;
    this.#wakeUp = wakeUp;
  }

  /** True for a code that was used before. */
  isSpent(use: CodeUse, { now }: Turn): boolean {
    return decideUse(this.#read(), use, now).kind === "spent";
  }

  /** Uses a code up; false if it was used before. One row written, or none. */
  use(use: CodeUse, turn: Turn): boolean {
    const decision = decideUse(this.#read(), use, turn.now);
    if (decision.kind === "spent") return false;
    this.#write(decision.used, turn);
    return true;
  }

  /** Uses up the code that a session was opened by, if one was needed. Two more rows for a recovery code's event. */
  useAtLogin(command: OpenSession, turn: Turn): void {
    if (command.code === null) return;
    this.use(command.code, turn);
    if (command.code.step !== null) return;
    this.#outbox.appendEvent(recoveryCodeUsed(command, turn.now));
    this.#wakeUp.noLaterThan(turn.nowMs + DELIVERY_DELAY_MS, turn.nowMs);
  }

  /** Forgets what no edge would take any more; true if anything is left. */
  expire(turn: Turn): boolean {
    const known = this.#read();
    if (usedKeptUntil(known) === null) return false;
    return this.#write(usedAt(known, turn.now), turn);
  }

  #read(): UsedCodes {
    const [row] = this.#sql.exec<{ state: string }>("SELECT state FROM used_codes").toArray();
    return row === undefined ? NOTHING_USED : (JSON.parse(row.state) as UsedCodes);
  }

  #write(used: UsedCodes, { nowMs }: Turn): boolean {
    const until = usedKeptUntil(used);
    if (until === null) {
      this.#sql.exec("DELETE FROM used_codes");
      return false;
    }
    this.#sql.exec(
      `INSERT INTO used_codes (one, state) VALUES (1, ?)
       ON CONFLICT (one) DO UPDATE SET state = excluded.state`,
      JSON.stringify(used),
    );
    this.#wakeUp.noLaterThan(until * 1000, nowMs);
    return true;
  }
}
