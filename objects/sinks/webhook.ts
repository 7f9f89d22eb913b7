/** An alert on its way to people: one signed POST (Standard Webhooks 1.0), to the one configured place. */
import { Webhook } from "standardwebhooks";
import type { AlertWebhook } from "../../schema/alert-webhook.ts";

const TIMEOUT_MS = 5000;

/** Throws unless the receiver took it (2xx) in time. A redirect is followed nowhere, and is a failure. */
export async function postWebhook(
  { url, secret, format }: AlertWebhook,
  message: { id: string; body: string },
  nowMs: number,
): Promise<void> {
  const webhook = format === "raw" ? new Webhook(secret, { format: "raw" }) : new Webhook(secret);
  const { id, body } = message;
  const response = await fetch(url, {
    method: "POST",
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT_MS),
    body,
    headers: {
      "Content-Type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(nowMs / 1000)),
      "webhook-signature": webhook.sign(id, new Date(nowMs), body),
    },
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the receiver answered ${response.status}`);
}
