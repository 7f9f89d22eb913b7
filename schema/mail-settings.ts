/** Where mail goes. In development it is never sent, anywhere else it must be (contract §6). */
import { isEmail } from "./identity.ts";

/** `outbox` is development's own; `from` is an address, or a name and one. */
export type MailSettings =
  | { transport: "outbox" }
  | { transport: "cloudflare"; from: string }
  | { transport: "resend"; from: string; apiUrl: string; apiKey: string };

type Vars = {
  MAIL_TRANSPORT: string | undefined;
  MAIL_FROM: string;
  MAIL_API_URL: string | undefined;
  MAIL_API_KEY: string;
  /** A binding, not text. */
  EMAIL: unknown;
};

const OUTBOX = { transport: "outbox" } as const;
const RESEND_URL = "https://api.resend.com/emails";
const API_KEY = /^[\x21-\x7e]+$/;
/** `Name <address>`; what would need quoting in a header is left out of names. */
const NAMED_SENDER = /^[^\p{C}"<>@,;:\\()[\]]+ <([^<>]+)>$/u;

/** Reads the settings; `wrong` is called for each that is. */
export function readMailSettings(
  vars: Vars,
  isDevelopment: boolean,
  wrong: (setting: keyof Vars, problem: string) => void,
): MailSettings {
  const { MAIL_TRANSPORT: transport, MAIL_FROM: from, MAIL_API_KEY: apiKey } = vars;
  if (isDevelopment) {
    if (transport !== undefined && transport !== "outbox")
      wrong("MAIL_TRANSPORT", "must be outbox in development, where mail is never sent");
    return OUTBOX;
  }
  if (!isSender(from)) wrong("MAIL_FROM", "is required, an address, or a name and an <address>");
  if (transport !== "cloudflare" && transport !== "resend") {
    wrong("MAIL_TRANSPORT", "is required outside development, and must be cloudflare or resend");
    return OUTBOX;
  }
  if (transport === "cloudflare") {
    if (typeof vars.EMAIL !== "object") wrong("EMAIL", "is required, a send_email binding");
    return { transport, from };
  }
  const apiUrl = vars.MAIL_API_URL ?? RESEND_URL;
  if (!isMailApi(apiUrl)) wrong("MAIL_API_URL", "must be an https URL, or a local one");
  if (!API_KEY.test(apiKey)) wrong("MAIL_API_KEY", "is required, the provider's key");
  return { transport, from, apiUrl, apiKey };
}

function isSender(value: string): boolean {
  const [, address = value] = NAMED_SENDER.exec(value) ?? [];
  return isEmail(address);
}

/** A key must not travel in the clear, but for a provider's stand-in on this machine. */
function isMailApi(value: string): boolean {
  const url = URL.parse(value);
  if (url === null || url.username !== "" || url.hash !== "") return false;
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && isLocal);
}
