/** Cloudflare's own `send_email` binding. It knows no repeats: a lost answer can mean a second message. */
import type { Mailer } from "./message.ts";

const NAMED = /^(.+) <([^<>]+)>$/;

/** Hands messages to the binding. `from` is an address, or `Name <address>`. */
export function cloudflareMailer(binding: SendEmail, from: string): Mailer {
  const [, name, email] = NAMED.exec(from) ?? [];
  const sender = name === undefined || email === undefined ? from : { name, email };
  return {
    async send({ to, subject, text, html }) {
      try {
        await binding.send({ from: sender, to, subject, text, html });
      } catch (error) {
        // Its sentence may name the address; the code says what is wrong.
        const code = error instanceof Error ? Reflect.get(error, "code") : undefined;
        throw new Error(`the mail binding refused: ${typeof code === "string" ? code : "no code"}`);
      }
    },
  };
}
