/** A finished message, and what takes it. */
import type { NumericDate } from "../../schema/time.ts";

/** `id` is the same whenever the same message is tried again. `userId`: whose account it is about. */
export type Message = {
  id: string;
  userId: number;
  to: string;
  subject: string;
  text: string;
  html: string;
};

export interface Mailer {
  /**
   * Hands one message over; throws if it was not, or not surely, taken. What it throws quotes neither
   * address nor message, since it is logged.
   */
  send(message: Message, now: NumericDate): Promise<void>;
}
