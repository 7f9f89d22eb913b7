/** The edge's commands in their full shape, as far as the simulation does not vary it. */
import type { SessionId, TokenId } from "../../schema/ids.ts";
import type { NumericDate } from "../../schema/time.ts";
import type {
  Bearer,
  OpenSession,
  Refresh,
  RevocationScope,
  Revoke,
  UserState,
} from "../../schema/user-authority.ts";
import type { Token } from "./ledger.ts";

const ORIGIN = { client: { ip: null, country: null, userAgent: null }, requestId: "simulated" };

/** What a session's token says of it. */
export type Speaker = Omit<Bearer, "revokedBefore">;

export function openCommand(
  user: UserState,
  ids: { sid: SessionId; tokenId: TokenId },
  { clientKey, revokedBefore }: { clientKey: string; revokedBefore: NumericDate },
): OpenSession {
  const from = { clientKey, revokedBefore, deviceName: null, amr: ["pwd"] };
  const command = { ...ORIGIN, user, ...ids, ...from, attempt: null, code: null };
  return command;
}

export function refreshCommand(
  { sid, tokenId, generation }: Token,
  more: { successor: TokenId; clientKey: string; revokedBefore: NumericDate; inFlight: number },
): Refresh {
  return { ...ORIGIN, sid, presented: { tokenId, generation }, ...more };
}

export function logoutCommand(
  by: Speaker,
  scope: RevocationScope,
  revokedBefore: NumericDate,
): Revoke & { by: Bearer } {
  return { ...ORIGIN, by: { ...by, revokedBefore }, scope, reason: "logout", note: null, revokedBefore };
}
