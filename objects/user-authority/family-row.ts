/** A family as its table holds it, read back into its shape. Pure. */
import { asSessionId, asTokenId } from "../../schema/ids.ts";
import { END_REASONS, type ReuseVerdict } from "../../schema/user-authority.ts";
import type { Family } from "./family.ts";

export type FamilyRow = {
  sid: string;
  epoch: number;
  generation: number;
  token_id: string;
  issued_at: number;
  expires_at: number;
  previous_token_id: string | null;
  replaced_at_ms: number | null;
  client_key: string;
  created_at: number;
  absolute_expires_at: number;
  auth_time: number;
  amr: string;
  ip: string | null;
  country: string | null;
  user_agent: string | null;
  device_name: string | null;
  history: string;
  ended_at: number | null;
  end_reason: string | null;
  verdict: string | null;
};

/** The family that a row is. */
export function asFamily(row: FamilyRow): Family {
  return {
    sid: known(asSessionId(row.sid)),
    epoch: row.epoch,
    generation: row.generation,
    tokenId: known(asTokenId(row.token_id)),
    issuedAt: row.issued_at,
    expiresAt: row.expires_at,
    previous:
      row.previous_token_id === null || row.replaced_at_ms === null
        ? null
        : { tokenId: known(asTokenId(row.previous_token_id)), replacedAtMs: row.replaced_at_ms },
    clientKey: row.client_key,
    createdAt: row.created_at,
    absoluteExpiresAt: row.absolute_expires_at,
    authTime: row.auth_time,
    amr: JSON.parse(row.amr) as string[],
    client: { ip: row.ip, country: row.country, userAgent: row.user_agent },
    deviceName: row.device_name,
    history: (JSON.parse(row.history) as [number, number][]).map(([at, changed]) => ({
      at,
      clientChanged: changed === 1,
    })),
    ended:
      row.ended_at === null
        ? null
        : {
            at: row.ended_at,
            reason: known(END_REASONS.find((reason) => reason === row.end_reason) ?? null),
            verdict: row.verdict === null ? null : (JSON.parse(row.verdict) as ReuseVerdict),
          },
  };
}

/** A stored value that only we can have written: its absence is our own mistake. */
export function known<T>(value: T | null): T {
  if (value === null) throw new Error("a stored row does not have the shape that was written");
  return value;
}
