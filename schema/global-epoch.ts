/**
 * The contract of `GlobalEpoch`: the one object that can end every session of everyone. Edges
 * hold what it says for at most `ERA_LEASE_MS`, and a revocation is answered only after every such
 * lease has run out: what is answered afterwards, anywhere, knows of it.
 */
import type { ClientView } from "./audit-events.ts";
import type { NumericDate } from "./time.ts";

/** The name of the one object. */
export const GLOBAL_EPOCH_NAME = "everyone";

/** How long an edge may go on without asking, from the moment that it asked. */
export const ERA_LEASE_MS = 5000;

/** `reason`: in the words of whoever asked, which stay in the trail. */
export type RevokeEveryone = { reason: string; actor: string; client: ClientView; requestId: string };

export interface GlobalEpochContract {
  /** Every token made before this moment is dead; 0 if none ever was. */
  current(): Promise<NumericDate>;
  /** Ends everything that began before now. Answers the new moment; durable, but not yet known everywhere. */
  revokeEveryone(command: RevokeEveryone): Promise<NumericDate>;
}
