/** What a smoke test says to a service, and how an answer is shown: never a token, a password or a name. */
import { randomInt } from "node:crypto";
import { setTimeout } from "node:timers/promises";

export type Reply = { status: number; body: Record<string, unknown>; retryAfterSeconds: number };
export type Asked = { token?: string; body?: unknown };
export type Ask = (method: string, path: string, asked?: Asked) => Promise<Reply>;

const TIMEOUT_MS = 30_000;
/** A limit that ends later than this is a finding, not a pause: longer than RATE_LIMIT_AUTH's five minutes, which two runs fill. */
const PATIENCE_SECONDS = 330;
const TRIES_MAX = 4;

/** True for an origin of this machine. */
export function isLocal(base: string): boolean {
  return ["127.0.0.1", "localhost", "[::1]"].includes(new URL(base).hostname);
}

/**
 * Asks the service at the origin `base`. A limit (429) that ends within five minutes is waited for; a
 * redirect is an answer like any other. Throws if there is no answer within 30 s.
 */
export function clientOf(base: string): Ask {
  // A local service takes an address from its client: one for each run, so that runs do not share a limit.
  const address = `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`;
  const ours = {
    "User-Agent": "session-authority-smoke",
    ...(isLocal(base) ? { "CF-Connecting-IP": address } : {}),
  };
  return async (method, path, asked = {}) => {
    for (let tries = 1; ; tries += 1) {
      const reply = await askOnce(`${base}${path}`, method, ours, asked);
      const isWorthWaiting = reply.status === 429 && reply.retryAfterSeconds <= PATIENCE_SECONDS;
      if (!isWorthWaiting || tries === TRIES_MAX) return reply;
      await setTimeout(Math.max(reply.retryAfterSeconds, 1) * 1000);
    }
  };
}

/** The body of an answer that is as expected. Throws, and says what came instead, if it is not. */
export function expectAnswer(reply: Reply, status: number, code?: string): Reply["body"] {
  if (reply.status === status && (code === undefined || reply.body.code === code)) return reply.body;
  throw new Error(`expected ${status}${code === undefined ? "" : ` ${code}`}, got ${describe(reply)}`);
}

/** A text of an answer. Throws if it is missing; says its name alone. */
export function textOf(body: Reply["body"], name: string): string {
  const value = body[name];
  if (typeof value !== "string" || value === "") throw new Error(`the answer has no ${name}`);
  return value;
}

function describe({ status, body, retryAfterSeconds }: Reply): string {
  const known = [body.code, body.request_id === undefined ? undefined : `request ${body.request_id}`];
  const wait = retryAfterSeconds > 0 ? [`to be asked again in ${retryAfterSeconds} s`] : [];
  return [String(status), ...known.filter((one) => typeof one === "string"), ...wait].join(", ");
}

async function askOnce(
  url: string,
  method: string,
  ours: Record<string, string>,
  { token, body }: Asked,
): Promise<Reply> {
  const response = await fetch(url, {
    method,
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      ...ours,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const retryAfterSeconds = Number(response.headers.get("Retry-After") ?? 0);
  return { status: response.status, body: parsed(await response.text()), retryAfterSeconds };
}

function parsed(text: string): Reply["body"] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
