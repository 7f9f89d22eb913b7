/** The receipt of a revocation (contract §8): what ended, and from when on each tier holds to it. */
import { z } from "@hono/zod-openapi";
import type { NumericDate } from "../schema/time.ts";
import { toIso } from "../schema/time.ts";

const LEASED_BOUND_SECONDS = 5;
const LOCAL_BOUND_SECONDS = 60;

/** From when on each tier holds to a revocation. */
export const effectiveSchema = z.object({
  confirmed: z.iso.datetime(),
  leased: z.iso.datetime(),
  local: z.iso.datetime(),
});

export const receiptSchema = z
  .object({ revoked: z.int(), epoch: z.int(), effective: effectiveSchema })
  .openapi("RevocationReceipt");

/** The bounds of a revocation that was decided at this moment. Times are ISO 8601. */
export function effectiveFrom(at: NumericDate): z.infer<typeof effectiveSchema> {
  return {
    confirmed: toIso(at),
    leased: toIso(at + LEASED_BOUND_SECONDS),
    local: toIso(at + LOCAL_BOUND_SECONDS),
  };
}

/** The receipt for a revocation that the user's object has decided. */
export function receiptOf(decided: {
  revoked: number;
  epoch: number;
  at: NumericDate;
}): z.infer<typeof receiptSchema> {
  const { revoked, epoch, at } = decided;
  return { revoked, epoch, effective: effectiveFrom(at) };
}
