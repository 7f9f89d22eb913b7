/** The way that finished messages leave: one interface, and the transport that the settings name. */
import type { Config } from "../../schema/config.ts";
import { cloudflareMailer } from "./cloudflare.ts";
import { outboxMailer } from "./dev-outbox.ts";
import type { Mailer } from "./message.ts";
import { resendMailer } from "./resend.ts";

/** The mailer of this deployment. */
export function mailerOf(env: Env, config: Config): Mailer {
  const { mail } = config;
  switch (mail.transport) {
    case "outbox":
      return outboxMailer(env.DB, config);
    case "cloudflare":
      return cloudflareMailer(Reflect.get(env, "EMAIL") as SendEmail, mail.from);
    case "resend":
      return resendMailer(mail);
  }
}
