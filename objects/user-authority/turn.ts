/** What every command of a user's object is decided with. Pure. */
import type { Config } from "../../schema/config.ts";
import type { NumericDate } from "../../schema/time.ts";

/** One synchronous turn of the object: its one moment, and the numbers that decide. */
export type Turn = { nowMs: number; now: NumericDate; policy: Config };
