/** The object itself behind the simulation's interface: workerd, SQLite, RPC, and the clock of the tests. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { hasTables } from "../../objects/tables.ts";
import { UserAuthorityState } from "../../objects/user-authority/state.ts";
import type {
  OpenSession,
  OpenSessionAnswer,
  Refresh,
  RefreshAnswer,
  Revoke,
  RevokeAnswer,
  UserState,
} from "../../schema/user-authority.ts";
import { passSeconds } from "../support/clock.ts";
import type { Authority, Decided, Snapshot } from "./authority.ts";

export class RealObject implements Authority {
  readonly #stub;

  constructor(userId: number) {
    this.#stub = env.USER_AUTHORITY.getByName(String(userId));
  }

  setClock(nowMs: number): void {
    passSeconds(0); // from here on it stands still
    passSeconds((nowMs - Date.now()) / 1000);
  }

  async openSession(command: OpenSession): Promise<OpenSessionAnswer> {
    return this.#stub.openSession(command);
  }

  async refresh(commands: readonly Refresh[]): Promise<Decided[]> {
    const answers = await Promise.all(commands.map((command) => this.#stub.refresh(command)));
    return answers
      .map((answer, index) => ({ index, answer }))
      .sort((one, other) => rank(one.answer) - rank(other.answer));
  }

  async revoke(command: Revoke): Promise<RevokeAnswer> {
    return this.#stub.revoke(command);
  }

  async userChanged(user: UserState): Promise<void> {
    await runInDurableObject(this.#stub, (_object, { storage }) => {
      if (!hasTables(storage.sql)) return;
      const isActive = user.isActive ? 1 : 0;
      storage.sql.exec("UPDATE account SET is_active = ?, version = ?", isActive, user.version);
    });
  }

  async alarm(): Promise<void> {
    await runDurableObjectAlarm(this.#stub);
  }

  async evict(): Promise<void> {
    await this.snapshot(); // only what runs can be evicted
    await evictDurableObject(this.#stub);
  }

  async snapshot(): Promise<Snapshot> {
    return runInDurableObject(this.#stub, (_object, { storage }) => {
      if (!hasTables(storage.sql)) return { account: null, families: [] };
      const state = new UserAuthorityState(storage.sql);
      return { account: state.account(), families: state.families() };
    });
  }
}

const REUSED = Number.MAX_SAFE_INTEGER - 1;
const REVOKED = Number.MAX_SAFE_INTEGER;

/**
 * Concurrent calls may be decided in any order, and their answers leave only one: within a family
 * a grant of a lower generation came first, the rotation before its repeats, and after the end
 * that the first reuse makes there are no more grants.
 */
function rank(answer: RefreshAnswer): number {
  if (answer.kind === "denied") return answer.reason === "reused" ? REUSED : REVOKED;
  return answer.grant.refresh.generation * 2 + (answer.kind === "rotated" ? 0 : 1);
}
