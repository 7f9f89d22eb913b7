/** Decisions that are wrong on purpose, one way each: the simulation must notice every one. */
import { decideExpiry } from "../../objects/user-authority/expiry.ts";
import { decideOpen } from "../../objects/user-authority/open-session.ts";
import { decideRefresh, type RefreshDecision } from "../../objects/user-authority/refresh.ts";
import { denialTtlSeconds } from "../../schema/revocation.ts";
import { toNumericDate } from "../../schema/time.ts";
import type { Finding } from "./checkers.ts";
import { type Decisions, REAL } from "./object-model.ts";

export type Mutant = { name: string; decisions: Decisions; caughtAs: Finding[] };

type Refreshing = Parameters<typeof decideRefresh>;

/** The real decision, with its verdict changed afterwards. */
function refreshing(change: (decision: RefreshDecision, ...args: Refreshing) => RefreshDecision): Decisions {
  return { ...REAL, decideRefresh: (...args) => change(decideRefresh(...args), ...args) };
}

/** A retry is judged as if it came earlier (a longer grace) or later (a shorter one). */
function graceMovedBy(milliseconds: number): Decisions {
  return refreshing((decision, family, account, input, nowMs, policy) => {
    if (input.presented.tokenId !== family?.previous?.tokenId) return decision;
    const moved = decideRefresh(family, account, input, nowMs - milliseconds, policy);
    return decision.kind === "deny" || moved.kind === "deny" ? decision : moved;
  });
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "the grace is a millisecond too long",
    decisions: graceMovedBy(1),
    caughtAs: ["theft_outlived"],
  },
  {
    name: "the grace is a millisecond too short",
    decisions: graceMovedBy(-1),
    caughtAs: ["false_sign_out"],
  },
  {
    name: "reuse is refused and does not end the family",
    decisions: refreshing((decision) =>
      decision.kind === "end" && decision.reason === "reuse" ? { kind: "deny", reason: "revoked" } : decision,
    ),
    caughtAs: ["theft_outlived"],
  },
  {
    name: "a repeat makes a new successor",
    decisions: refreshing((decision, family, _account, { successor }) =>
      decision.kind === "repeat" && family !== null
        ? { kind: "rotate", family: { ...family, tokenId: successor } }
        : decision,
    ),
    caughtAs: ["fork", "two_acceptable"],
  },
  {
    name: "a rotation moves the absolute end",
    decisions: refreshing((decision, _family, _account, _input, nowMs, policy) => {
      if (decision.kind !== "rotate") return decision;
      const absoluteExpiresAt = toNumericDate(nowMs) + policy.sessionMaxAgeSeconds;
      return { kind: "rotate", family: { ...decision.family, absoluteExpiresAt } };
    }),
    caughtAs: ["extended"],
  },
  {
    name: "the epoch is not checked",
    decisions: {
      ...REAL,
      decideRefresh: (family, account, ...rest) =>
        decideRefresh(family, account === null ? null : { ...account, epoch: 0 }, ...rest),
    },
    caughtAs: ["came_back"],
  },
  {
    name: "the long grace is anyone's",
    decisions: {
      ...REAL,
      decideRefresh: (family, account, input, ...rest) => {
        const isRetry = input.presented.tokenId === family?.previous?.tokenId;
        return decideRefresh(
          family,
          account,
          isRetry ? { ...input, clientKey: family?.clientKey ?? "" } : input,
          ...rest,
        );
      },
    },
    caughtAs: ["theft_outlived"],
  },
  {
    name: "a client that moved has no grace",
    decisions: refreshing((decision) =>
      decision.kind === "repeat" && decision.elsewhere ? { kind: "deny", reason: "revoked" } : decision,
    ),
    caughtAs: ["false_sign_out"],
  },
  {
    name: "a grandparent is a repeat",
    decisions: refreshing((decision, family, _account, { presented }) =>
      decision.kind === "end" && family !== null && presented.generation === family.generation - 2
        ? { kind: "repeat", family, elsewhere: false }
        : decision,
    ),
    caughtAs: ["theft_outlived", "fork", "two_acceptable"],
  },
  {
    name: "under compatibility, a first token is not kept for a client that stores no other",
    decisions: {
      ...REAL,
      decideRefresh: (family, account, input, nowMs, policy) =>
        decideRefresh(family, account, input, nowMs, { ...policy, compatSimplejwt: false }),
    },
    caughtAs: ["false_sign_out"],
  },
  {
    name: "under compatibility, every replaced token is kept, not only the first",
    decisions: refreshing((decision, family, _account, { presented }, _nowMs, policy) =>
      policy.compatSimplejwt && decision.kind === "end" && presented.tokenId === family?.previous?.tokenId
        ? { kind: "repeat", family, elsewhere: false }
        : decision,
    ),
    caughtAs: ["theft_outlived"],
  },
  {
    name: "under compatibility, a first token is kept also after its successor was used",
    decisions: refreshing((decision, family, _account, { presented }, _nowMs, policy) =>
      policy.compatSimplejwt && decision.kind === "end" && family !== null && presented.generation === 0
        ? { kind: "repeat", family, elsewhere: false }
        : decision,
    ),
    caughtAs: ["theft_outlived", "fork"],
  },
  {
    name: "the alarm forgets a session whose last access token may be alive",
    decisions: {
      ...REAL,
      decideExpiry: (families, epochMovedAt, now, ttl) =>
        decideExpiry(families, epochMovedAt, now + denialTtlSeconds(ttl), ttl),
    },
    caughtAs: ["not_durable"],
  },
  {
    name: "a login moves the epoch back",
    decisions: {
      ...REAL,
      decideOpen: (known, ...rest) => {
        const decision = decideOpen(known, ...rest);
        if (decision.kind === "denied" || known === null) return decision;
        return { ...decision, account: { ...decision.account, epoch: known.epoch - 1 } };
      },
    },
    caughtAs: ["came_back"],
  },
];
