import { describe, expect, it } from "vitest";
import { decideAdoption } from "../../../objects/user-authority/adoption.ts";
import type { Account, Family } from "../../../objects/user-authority/family.ts";
import { decideRefresh } from "../../../objects/user-authority/refresh.ts";
import type { SessionId, TokenId, UserId } from "../../../schema/ids.ts";
import type { Adopt } from "../../../schema/user-authority.ts";

const NOW = 1_800_000_000;
const NOW_MS = NOW * 1000;
const POLICY = {
  refreshTokenTtlSeconds: 86_400,
  sessionMaxAgeSeconds: 2_592_000,
  refreshGraceSeconds: 10,
  refreshGraceSameClientSeconds: 600,
  sessionsPerUserMax: 100,
  accessTokenTtlSeconds: 600,
  compatSimplejwt: false,
};
const COMPAT = { ...POLICY, compatSimplejwt: true };
const id = (n: number) => String(n).padStart(22, "0");
const NAME = id(1) as TokenId;
const USER = {
  id: 7 as UserId,
  username: "ada",
  email: null,
  role: "user" as const,
  isActive: true,
  version: 1,
};
const ACCOUNT: Account = { user: USER, epoch: 5, revokedBefore: 0, erasedAt: null, epochHistory: [] };
const COMMAND: Adopt = {
  user: USER,
  sid: id(2) as SessionId,
  tokenId: id(3) as TokenId,
  clientKey: "home",
  client: { ip: "192.0.2.1", country: null, userAgent: "tab" },
  requestId: "request",
  revokedBefore: 0,
  deviceName: null,
  amr: ["pwd"],
  attempt: null,
  code: null,
  credential: { kind: "token", name: NAME, issuedAt: NOW - 100, expiresAt: NOW + 86_300 },
};

function opened(command = COMMAND, known: Account | null = null): Family {
  const decision = decideAdoption(known, [], undefined, command, NOW_MS, POLICY);
  if (decision.kind !== "open") throw new Error(decision.kind);
  return decision.family;
}
const again = (family: Family | null, laterMs: number, policy = POLICY, command = COMMAND) =>
  decideAdoption(ACCOUNT, [], family, command, NOW_MS + laterMs, policy);

describe("shown for the first time", () => {
  it("begins a session one generation after it, dated by when Django saw the password", () => {
    expect(opened()).toMatchObject({
      sid: COMMAND.sid,
      generation: 1,
      tokenId: COMMAND.tokenId,
      previous: { tokenId: NAME, replacedAtMs: NOW_MS },
      createdAt: NOW,
      authTime: NOW - 100,
      absoluteExpiresAt: NOW + 2_592_000,
    });
  });

  it("REV-02: opens nothing if it was given before the user's sessions, or everyone's, ended", () => {
    const moved = (at: number): Account => ({
      ...ACCOUNT,
      epochHistory: [{ epoch: 5, at, reason: "logout" }],
    });
    const denied = { kind: "deny", reason: "revoked" };
    expect(decideAdoption(moved(NOW - 100), [], undefined, COMMAND, NOW_MS, POLICY)).toEqual(denied);
    expect(opened(COMMAND, moved(NOW - 101))).toMatchObject({ generation: 1 });
    const era = { ...COMMAND, revokedBefore: NOW - 99 };
    expect(decideAdoption(ACCOUNT, [], undefined, era, NOW_MS, POLICY)).toEqual(denied);
    expect(opened({ ...COMMAND, revokedBefore: NOW - 100 })).toMatchObject({ generation: 1 });
    const knows = { ...ACCOUNT, revokedBefore: NOW - 99 };
    expect(decideAdoption(knows, [], undefined, COMMAND, NOW_MS, POLICY), "an edge that knows less").toEqual(
      denied,
    );
  });

  it("opens nothing for who is inactive, deleted, or known in a newer state", () => {
    const inactive = { ...COMMAND, user: { ...USER, isActive: false } };
    expect(decideAdoption(null, [], undefined, inactive, NOW_MS, POLICY)).toEqual({
      kind: "denied",
      reason: "inactive",
    });
    const erased = { ...ACCOUNT, erasedAt: NOW - 1 };
    expect(decideAdoption(erased, [], undefined, COMMAND, NOW_MS, POLICY)).toMatchObject({
      reason: "inactive",
    });
    const newer = { ...ACCOUNT, user: { ...USER, version: 2 } };
    expect(decideAdoption(newer, [], undefined, COMMAND, NOW_MS, POLICY)).toMatchObject({ reason: "stale" });
  });
});

describe("shown again", () => {
  it("a token is repeated in its grace and is reuse after it, to the millisecond", () => {
    expect(again(opened(), 600_000)).toMatchObject({ kind: "repeat" });
    expect(again(opened(), 600_001)).toMatchObject({ kind: "end", reason: "reuse" });
  });

  it("a session is repeated in its grace, and refused after it: a browser goes on sending it", () => {
    const session = { ...COMMAND, credential: { ...COMMAND.credential, kind: "session" as const } };
    for (const policy of [POLICY, COMPAT]) {
      expect(again(opened(session), 600_000, policy, session)).toMatchObject({ kind: "repeat" });
      expect(again(opened(session), 600_001, policy, session)).toEqual({ kind: "deny", reason: "revoked" });
    }
  });

  it("is refused once its session is over or forgotten", () => {
    const ended = { ...opened(), ended: { at: NOW, reason: "logout" as const, verdict: null } };
    for (const family of [ended, null]) expect(again(family, 1)).toEqual({ kind: "deny", reason: "revoked" });
  });

  it("contract §9: a token goes on answering while its successor is unused, and no longer", () => {
    expect(again(opened(), 80_000_000, COMPAT)).toMatchObject({ kind: "repeat" });
    const input = {
      presented: { tokenId: COMMAND.tokenId, generation: 1 },
      successor: id(4) as TokenId,
      clientKey: "home",
      client: COMMAND.client,
      inFlight: 1,
    };
    const rotated = decideRefresh(opened(), ACCOUNT, input, NOW_MS + 1000, COMPAT);
    if (rotated.kind !== "rotate") throw new Error(rotated.kind);
    expect(again(rotated.family, 1001, COMPAT)).toMatchObject({ kind: "end", reason: "reuse" });
    const later = decideRefresh(rotated.family, ACCOUNT, input, NOW_MS + 700_000, COMPAT);
    expect(later, "its successor is no first token").toMatchObject({ kind: "end", reason: "reuse" });
  });
});
