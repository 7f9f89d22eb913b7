/** The receipt of a revocation (contract §8): what ended, and from when on each tier holds to it. */
import { z } from "@hono/zod-openapi";
import type { NumericDate } from "../schema/time.ts";
import { toIso } from "../schema/time.ts";

const LEASED_BOUND_SECONDS = 5;
const LOCAL_BOUND_SECONDS = 60;

export const receiptSchema = z
  .object({
    revoked: z.int(),
    epoch: z.int(),
    effective: z.object({
      confirmed: z.iso.datetime(),
      leased: z.iso.datetime(),
      local: z.iso.datetime(),
    }),
  })
  .openapi("RevocationReceipt");

/** The receipt for a revocation that the user's object has decided. Times are ISO 8601. */
export function receiptOf(decided: {
  revoked: number;
  epoch: number;
  at: NumericDate;
}): z.infer<typeof receiptSchema> {
  const { revoked, epoch, at } = decided;
  return {
    revoked,
    epoch,
    effective: {
      confirmed: toIso(at),
      leased: toIso(at + LEASED_BOUND_SECONDS),
      local: toIso(at + LOCAL_BOUND_SECONDS),
    },
  };
}
