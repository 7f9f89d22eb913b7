/** Where alerts may go, and what they are signed with. Pure. */
import type { Problem } from "./config.ts";

export type AlertWebhook = { url: string; secret: string; format: "base64" | "raw" };

const SECRET_BYTES_MIN = 32;
const PREFIX = "whsec_";
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

type Given = { url: string; secret: string; hosts: string | undefined; isDevelopment: boolean };

/**
 * The webhook as configured; null without a URL. It must be https to a host that is listed by name,
 * without credentials, so that no setting alone makes this service call something inside (LOG-04);
 * http only to this machine, in development. The secret is Standard Webhooks': `whsec_` and base64,
 * or base64; what is neither is taken byte for byte.
 */
export function readWebhook({ url, secret, hosts, isDevelopment }: Given): {
  webhook: AlertWebhook | null;
  problems: Problem[];
} {
  const problems: Problem[] = [];
  const listed = (hosts ?? (isDevelopment ? LOOPBACK.join(",") : "")).split(",").map((host) => host.trim());
  if (listed.some((host) => host.includes("*") || host.includes("/"))) {
    problems.push({
      setting: "ALERT_WEBHOOK_HOSTS",
      problem: "must be exact host names, separated by commas",
    });
  }
  if (url === "") return { webhook: null, problems };
  const target = URL.parse(url);
  const isLocal = target !== null && LOOPBACK.includes(target.hostname);
  const isAllowed =
    target !== null &&
    (target.protocol === "https:" || (target.protocol === "http:" && isLocal && isDevelopment)) &&
    target.username === "" &&
    target.password === "" &&
    !url.includes("#");
  if (!isAllowed) {
    const problem = "must be an https URL without credentials or fragment";
    problems.push({ setting: "ALERT_WEBHOOK_URL", problem });
  } else if (!listed.includes(target.host) && !listed.includes(target.hostname)) {
    problems.push({ setting: "ALERT_WEBHOOK_URL", problem: "must have a host of ALERT_WEBHOOK_HOSTS" });
  }
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  const isBase64 = BASE64.test(text);
  const bytes = isBase64 ? Math.floor((text.replace(/=/g, "").length * 3) / 4) : text.length;
  if (bytes < SECRET_BYTES_MIN || (!isBase64 && text !== secret) || new Set(text).size < 8) {
    const problem = "must be whsec_ and at least 32 random bytes in base64";
    problems.push({ setting: "ALERT_WEBHOOK_SECRET", problem });
  }
  if (problems.length > 0) return { webhook: null, problems };
  return { webhook: { url, secret: text, format: isBase64 ? "base64" : "raw" }, problems };
}
