/** After `DATA_ENCRYPTION_KEY` got a new first key: what older ones encrypted is encrypted anew, so that they can go. */
import type { Config } from "../../schema/config.ts";
import { log } from "../../schema/log.ts";
import { type NumericDate, toIso } from "../../schema/time.ts";
import { olderKeyIds, seal, unseal } from "../encryption.ts";
import { contextOf } from "./codes.ts";
import { type Enrolment, findSealedBy, replaceSealed } from "./enrolments.ts";

type SealedSecret = Pick<Enrolment, "userId" | "enrolment" | "keyId" | "sealed">;

/** Secrets of one transaction. */
const BATCH_MAX = 100;
/** Of one run; the next day's goes on. */
const BATCHES_MAX = 100;

/**
 * Encrypts anew what is left, and logs how much that was: a run without such a line has found
 * nothing. May be repeated or interrupted at any point. What cannot be decrypted is logged and left.
 */
export async function rotateSecrets(db: D1Database, config: Config, now: NumericDate): Promise<void> {
  const keyIds = await olderKeyIds(config);
  let lastId = 0;
  for (let batch = 0; batch < BATCHES_MAX && keyIds.length > 0; batch += 1) {
    const rows = await findSealedBy(db, keyIds, lastId, BATCH_MAX);
    const last = rows.at(-1);
    if (last === undefined) return;
    lastId = last.userId;
    const outcomes = await Promise.allSettled(rows.map((row) => renewed(config, row)));
    const done = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    await replaceSealed(db, done);
    const left = rows.length - done.length;
    const reason = `${done.length} secrets encrypted anew, ${left} cannot be decrypted`;
    const level = left === 0 ? "info" : "error";
    log(toIso(now), { level, event: "secrets_rotated", settings: ["DATA_ENCRYPTION_KEY"], reason });
  }
}

async function renewed(config: Config, before: SealedSecret) {
  const context = contextOf(before);
  const after = await seal(config, await unseal(config, before, context), context);
  return { enrolment: before.enrolment, before, after };
}
