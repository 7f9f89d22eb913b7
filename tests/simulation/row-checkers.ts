/** What the object's rows must be after each step, and after they were read back. */
import { isDeepStrictEqual } from "node:util";
import { grantOf, type SessionPolicy } from "../../objects/user-authority/family.ts";
import type { TokenId } from "../../schema/ids.ts";
import { toNumericDate } from "../../schema/time.ts";
import type { Snapshot } from "./authority.ts";
import type { Report } from "./checkers.ts";
import { isSameToken, type Ledger, name, tokenOf } from "./ledger.ts";
import type { Decisions } from "./object-model.ts";

/** The rows around one command, alarm or eviction. */
export type Step = { before: Snapshot; after: Snapshot; nowMs: number };

const PROBE = { client: { ip: null, country: null, userAgent: null }, inFlight: 1 };

/**
 * Probes the decision with every token that a family ever had: at most one is acceptable as new
 * and one as a repeat, and none at all once the session is over.
 */
export function checkAcceptable(
  { account, families }: Snapshot,
  ledger: Ledger,
  options: { decide: Decisions["decideRefresh"]; policy: SessionPolicy; nowMs: number; successor: TokenId },
  report: Report,
): void {
  const { decide, policy, nowMs, successor } = options;
  for (const row of families) {
    const family = ledger.families.get(row.sid);
    if (family === undefined) continue;
    const isLive = ledger.isLive(family, nowMs);
    const count = { rotate: 0, repeat: 0 };
    for (const { token } of family.tokens.values()) {
      const input = { presented: token, successor, clientKey: row.clientKey, ...PROBE };
      const { kind } = decide(row, account, input, nowMs, policy);
      if (kind !== "rotate" && kind !== "repeat") continue;
      count[kind] += 1;
      if (isLive) continue;
      const finding = family.over === "reuse" ? "theft_outlived" : "came_back";
      report(finding, `${name(token)} is acceptable after the session's end (${family.over ?? "expired"})`);
    }
    if (count.rotate > 1 || count.repeat > 1) {
      report(
        "two_acceptable",
        `${row.sid} accepts ${count.rotate} tokens as new and ${count.repeat} as repeats`,
      );
    }
  }
}

/** Nothing un-ends a family, un-moves an epoch or extends a session; nothing is forgotten too early. */
export function checkNeverBack({ before, after }: Step, ledger: Ledger, report: Report): void {
  if (after.account !== null) {
    if (after.account.epoch < (ledger.epoch ?? 0)) report("came_back", "the epoch fell");
    if (before.account === null && after.account.epoch === ledger.epoch)
      report("came_back", "an epoch came twice");
    if (before.account !== null && after.account.revokedBefore < before.account.revokedBefore) {
      report("came_back", "the global epoch fell");
    }
  }
  for (const old of before.families) {
    const row = after.families.find(({ sid }) => sid === old.sid);
    if (row === undefined || row === old) continue;
    if (old.ended !== null && !isDeepStrictEqual(old.ended, row.ended))
      report("came_back", `${old.sid} ended anew`);
    if (row.absoluteExpiresAt !== old.absoluteExpiresAt)
      report("extended", `${old.sid} moved its absolute end`);
    if (row.expiresAt > row.absoluteExpiresAt) report("extended", `${old.sid} outlives its absolute end`);
    if (row.generation < old.generation) report("came_back", `${old.sid} went back a generation`);
  }
}

/** Only the cap ends a session at a login, and then the least recently used. */
export function checkEvicted(step: Step, ledger: Ledger, cap: number, report: Report): void {
  const live = step.before.families.filter(({ sid }) => {
    const family = ledger.families.get(sid);
    return family !== undefined && ledger.isLive(family, step.nowMs);
  });
  const [kept, evicted] = [[] as number[], [] as number[]];
  for (const { sid, issuedAt } of live) {
    const ended = step.after.families.find((row) => row.sid === sid)?.ended ?? null;
    (ended === null ? kept : evicted).push(issuedAt);
    const family = ledger.families.get(sid);
    if (ended !== null && family !== undefined) ledger.end(family, "evicted");
  }
  if (evicted.length !== Math.max(0, live.length + 1 - cap))
    report("wrong_answer", `${evicted.length} were evicted`);
  if (Math.max(...evicted) > Math.min(...kept))
    report("wrong_answer", "not the least recently used was evicted");
}

/**
 * What the alarm forgets has expired, so that no token of it can still be good or needs to be told
 * apart; of what has not ended, also the last access token.
 */
export function checkForgotten(
  { before, after, nowMs }: Step,
  ledger: Ledger,
  { accessTokenTtlSeconds }: SessionPolicy,
  report: Report,
): void {
  for (const { sid, ended } of before.families) {
    const family = ledger.families.get(sid);
    if (family === undefined || after.families.some((row) => row.sid === sid)) continue;
    const until = family.head.token.exp + (ended === null ? accessTokenTtlSeconds : 0);
    if (toNumericDate(nowMs) < until) report("not_durable", `${sid} was forgotten too early`);
    ledger.end(family, "forgotten");
  }
}

/** Whatever was answered is durable: after an eviction the same answer follows from the rows again. */
export function checkDurable({ before, after, nowMs }: Step, ledger: Ledger, report: Report): void {
  for (const row of after.families) {
    const old = before.families.find(({ sid }) => sid === row.sid);
    if (!isDeepStrictEqual(row, old)) report("not_durable", `${row.sid} came back as another row`);
  }
  if (after.account !== null && !isDeepStrictEqual(after.account, before.account)) {
    report("not_durable", "the account came back as another row");
  }
  for (const family of ledger.families.values()) {
    if (!ledger.isLive(family, nowMs)) continue;
    const row = after.families.find(({ sid }) => sid === family.sid);
    if (row === undefined || after.account === null) report("not_durable", `${family.sid} is gone`);
    else if (!isSameToken(family.head.token, tokenOf(grantOf(row, after.account, toNumericDate(nowMs))))) {
      report("not_durable", `${family.sid} lost the token that it answered last`);
    }
  }
}
