/** The used codes of one account: loads, decides, writes, tells. Its methods run inside a turn of the object. */
import type { CodeUse } from "../../schema/mfa.ts";
import type { OpenSession } from "../../schema/user-authority.ts";
import { DELIVERY_DELAY_MS, type Outbox } from "../outbox.ts";
import type { WakeUp } from "../wake-up.ts";
import { recoveryCodeUsed } from "./events.ts";
import {
  decideUse,
  NOTHING_USED,
  type UsedCodes,
  unremoved,
  usedAt,
  usedKeptUntil,
  withRemoved,
} from "./mfa.ts";
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

  /** Uses a code up; false if it was used before. One row written, or none; a recovery code needs the alarm. */
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
    if (command.code.recovery === null) return;
    this.#outbox.appendEvent(recoveryCodeUsed(command, turn.now));
    this.#wakeUp.noLaterThan(turn.nowMs + DELIVERY_DELAY_MS, turn.nowMs);
  }

  /** The digests of used recovery codes that D1 still offers. */
  unremoved(): string[] {
    return unremoved(this.#read());
  }

  /** D1 has taken them out. One row written. */
  noteRemoved(digests: readonly string[], turn: Turn): void {
    this.#write(withRemoved(this.#read(), digests, turn.now), turn);
  }

  /** Forgets what no edge would take any more; true if anything is left. */
  expire(turn: Turn): boolean {
    const known = this.#read();
    if (usedKeptUntil(known) === null) return false;
    return this.#write(usedAt(known, turn.now), turn);
  }

  #read(): UsedCodes {
    const [row] = this.#sql.exec<{ state: string }>("SELECT state FROM used_codes").toArray();
    // Older rows lack what was added to the shape since.
    return row === undefined ? NOTHING_USED : { ...NOTHING_USED, ...(JSON.parse(row.state) as UsedCodes) };
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
    const isRemovalDue = unremoved(used).length > 0;
    this.#wakeUp.noLaterThan(isRemovalDue ? nowMs + DELIVERY_DELAY_MS : until * 1000, nowMs);
    return true;
  }
}
