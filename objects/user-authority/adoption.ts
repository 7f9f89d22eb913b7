/**
 * A session for someone who shows what Django gave them: a simplejwt refresh token, or a database
 * session. What was shown counts as the token before the session's first, so that showing it again
 * follows the rules of a replaced token. Pure.
 */
import { type NumericDate, toNumericDate } from "../../schema/time.ts";
import type { Adopt, Era } from "../../schema/user-authority.ts";
import type { Account, Family, SessionPolicy } from "./family.ts";
import { decideOpen, type OpenDecision } from "./open-session.ts";
import { decideRefresh, type RefreshDecision } from "./refresh.ts";

export type AdoptionDecision = OpenDecision | RefreshDecision;

/** The generation of what Django gave: the session's own tokens begin one later. */
const DJANGO_GENERATION = 0;

/**
 * Decides a showing of what Django gave. `adopted` is the family that came of it before: null if
 * that is forgotten, undefined if it is shown for the first time. Nothing comes back that was given
 * before all of the user's sessions, or everyone's, were ended (REV-02).
 */
export function decideAdoption(
  known: Account | null,
  live: readonly Family[],
  adopted: Family | null | undefined,
  command: Adopt,
  nowMs: number,
  policy: SessionPolicy,
): AdoptionDecision {
  if (adopted !== undefined) return decideAgain(known, adopted, command, nowMs, policy);
  const { credential } = command;
  if (credential.issuedAt <= djangoEndedAt(known, command)) return { kind: "deny", reason: "revoked" };
  const opening = decideOpen(known, live, command, toNumericDate(nowMs), policy);
  if (opening.kind === "denied") return opening;
  const family: Family = {
    ...opening.family,
    generation: DJANGO_GENERATION + 1,
    previous: { tokenId: credential.name, replacedAtMs: nowMs },
    authTime: Math.min(opening.family.authTime, credential.issuedAt),
  };
  return { ...opening, family };
}

/** The second with which all ended that Django had given the user until then; 0 if nothing did. */
export function djangoEndedAt(known: Account | null, { revokedBefore }: Era): NumericDate {
  const before = Math.max(revokedBefore, known?.revokedBefore ?? 0);
  return Math.max(0, before - 1, known?.epochHistory.at(-1)?.at ?? 0);
}

/** A browser goes on sending its session's cookie, which is no sign of theft: it is refused and ends nothing. */
function decideAgain(
  known: Account | null,
  adopted: Family | null,
  command: Adopt,
  nowMs: number,
  policy: SessionPolicy,
): RefreshDecision {
  const { credential, tokenId, clientKey, client } = command;
  const presented = { tokenId: credential.name, generation: DJANGO_GENERATION };
  const input = { presented, successor: tokenId, clientKey, client, inFlight: 1 };
  if (credential.kind === "token") return decideRefresh(adopted, known, input, nowMs, policy);
  const once = decideRefresh(adopted, known, input, nowMs, { ...policy, compatSimplejwt: false });
  return once.kind === "end" && once.reason === "reuse" ? { kind: "deny", reason: "revoked" } : once;
}
