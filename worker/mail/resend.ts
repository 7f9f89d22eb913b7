/**
 * A provider with an HTTP API of Resend's shape: one POST a message. The mail's id goes along as
 * `Idempotency-Key`, so that a message whose answer was lost is sent once, however often it is tried.
 */
import type { MailSettings } from "../../schema/mail-settings.ts";
import type { Mailer } from "./message.ts";

const TIMEOUT_MS = 10_000;

type Settings = Extract<MailSettings, { transport: "resend" }>;

/** Hands messages over by HTTP. A redirect, any status but 2xx, or ten seconds without an answer is a failure. */
export function resendMailer({ apiUrl, apiKey, from }: Settings): Mailer {
  return {
    async send({ id, to, subject, text, html }) {
      const response = await fetch(apiUrl, {
        method: "POST",
        headers: {
          Authorization: `Bearer ${apiKey}`,
          "Content-Type": "application/json",
          "Idempotency-Key": id,
        },
        body: JSON.stringify({ from, to: [to], subject, text, html }),
        redirect: "manual", // the key is for this address alone
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`the mail API answered ${response.status}`);
    },
  };
}
