/** What the simulation asks of a user's authority, whether it is the model or the object itself. */
import type { Account, Family } from "../../objects/user-authority/family.ts";
import type {
  OpenSession,
  OpenSessionAnswer,
  Refresh,
  RefreshAnswer,
  Revoke,
  RevokeAnswer,
  UserState,
} from "../../schema/user-authority.ts";

/** All rows of the object. */
export type Snapshot = { account: Account | null; families: readonly Family[] };

/** The answer to the command at `index` of those that were given at once. */
export type Decided = { index: number; answer: RefreshAnswer };

export interface Authority {
  /** Every later command happens at this moment. */
  setClock(nowMs: number): void;
  openSession(command: OpenSession): Promise<OpenSessionAnswer>;
  /** Presents all of them at once, and tells in which order they were decided. */
  refresh(commands: readonly Refresh[]): Promise<Decided[]>;
  revoke(command: Revoke): Promise<RevokeAnswer>;
  /** News of a change in D1. */
  userChanged(user: UserState): Promise<void>;
  alarm(): Promise<void>;
  /** Ends the object's life in memory; its rows remain. */
  evict(): Promise<void>;
  snapshot(): Promise<Snapshot>;
}
