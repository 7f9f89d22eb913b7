/**
 * One revocation, seen from outside: a session is begun and ended over HTTP, then every tier is
 * asked again and again until it refuses. Limits are respected: each request may come from an
 * address of its own where the service lets a client say so (`wrangler dev`), and a 429 is no answer.
 */
import { randomBytes, randomInt } from "node:crypto";

/** How each tier is asked (contract §8), and for how long it may go on accepting. */
export const PROBES = [
  { tier: "confirmed", asks: "POST token/refresh", boundMs: 0 },
  { tier: "confirmed", asks: "GET sessions", boundMs: 0 },
  { tier: "leased", asks: "GET user", boundMs: 5_000 },
  { tier: "local", asks: "POST token/verify", boundMs: 60_000 },
] as const;
type Probe = (typeof PROBES)[number];

/** `base` is where sessions begin and end; `via`, where the tiers are asked. */
export type Places = { base: string; via: string };
export type Ending = "DELETE sessions/{id}" | "logout";
/** Milliseconds from the answer to the last request that was still accepted; 0 if none was. */
export type Finding = { asks: Probe["asks"]; acceptedMs: number; isRefused: boolean };

type Session = { id: string; access: string; refresh: string };
type Reply = { status: number; body: Record<string, unknown>; retryAfterMs: number };

const PASSWORD = "a quiet harbour 27";
/** Past the bound, before it is said that a tier never refused. */
const PATIENCE_MS = 5_000;
const TRIES_MAX = 5;
/** Often at first, then so that one user's limit (60 a minute) lasts. */
const QUICK_POLLS = 10;
const QUICK_MS = 50;
const SLOW_MS = 250;
const SLOWEST_MS = 1_000;
const SLOWEST_AFTER_MS = 8_000;

/** Begins a session, ends it, and answers for each probe how long it went on accepting. */
export async function probe(places: Places, ending: Ending): Promise<Finding[]> {
  const username = `revoked-${randomBytes(9).toString("base64url")}`;
  const registration = { username, password: PASSWORD, password2: PASSWORD };
  const session = sessionOf(await must(places.base, "POST", "register", { body: registration }));
  const login = { body: { username, password: PASSWORD } };
  const sister = ending === "logout" ? null : sessionOf(await must(places.base, "POST", "login", login));
  // What is asked now is what an edge may go on believing for longest: the worst case.
  for (const { asks } of PROBES.slice(1)) await expectGood(places.via, asks, session);

  if (sister === null) {
    await must(places.base, "POST", "logout", { token: session.access, body: { scope: "local" } });
  } else {
    await must(places.base, "DELETE", `sessions/${session.id}`, { token: sister.access });
  }
  const answeredMs = performance.now();
  return Promise.all(PROBES.map((one) => pollUntilRefused(places.via, one, session, answeredMs)));
}

async function pollUntilRefused(
  via: string,
  { asks, boundMs }: Probe,
  session: Session,
  answeredMs: number,
): Promise<Finding> {
  let acceptedMs = 0;
  for (let polls = 0; ; polls += 1) {
    const askedMs = performance.now() - answeredMs;
    const reply = await present(via, asks, session);
    if (isRevoked(reply)) return { asks, acceptedMs, isRefused: true };
    if (reply.status < 300) acceptedMs = askedMs;
    else if (reply.status !== 429 && reply.status < 500) throw new Error(`${asks}: ${describe(reply)}`);
    if (askedMs > boundMs + PATIENCE_MS) return { asks, acceptedMs, isRefused: false };
    const pauseMs = polls < QUICK_POLLS ? QUICK_MS : askedMs < SLOWEST_AFTER_MS ? SLOW_MS : SLOWEST_MS;
    await pause(Math.max(pauseMs, reply.retryAfterMs));
  }
}

function present(place: string, asks: Probe["asks"], { access, refresh }: Session): Promise<Reply> {
  switch (asks) {
    case "POST token/refresh":
      return ask(place, "POST", "token/refresh", { body: { refresh_token: refresh } });
    case "POST token/verify":
      return ask(place, "POST", "token/verify", { body: { token: access } });
    case "GET sessions":
      return ask(place, "GET", "sessions", { token: access });
    case "GET user":
      return ask(place, "GET", "user", { token: access });
  }
}

async function expectGood(place: string, asks: Probe["asks"], session: Session): Promise<void> {
  const reply = await present(place, asks, session);
  if (reply.status !== 200) throw new Error(`${asks}, before anything was revoked: ${describe(reply)}`);
}

/** A token that has expired proves nothing: only this answer is a revocation that was felt. */
function isRevoked({ status, body }: Reply): boolean {
  return status === 401 && (body.code === "access_token_revoked" || body.code === "refresh_token_revoked");
}

type Asked = { token?: string; body?: unknown };

async function must(place: string, method: string, path: string, asked: Asked): Promise<Reply["body"]> {
  for (let tries = 1; ; tries += 1) {
    const reply = await ask(place, method, path, asked);
    if (reply.status < 300) return reply.body;
    if (reply.status !== 429 || tries === TRIES_MAX) throw new Error(`${method} ${path}: ${describe(reply)}`);
    await pause(reply.retryAfterMs);
  }
}

async function ask(place: string, method: string, path: string, { token, body }: Asked): Promise<Reply> {
  const response = await fetch(`${place}/api/accounts/${path}`, {
    method,
    headers: {
      "CF-Connecting-IP": randomAddress(),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const retryAfterMs = Number(response.headers.get("Retry-After") ?? 0) * 1000;
  return { status: response.status, body: text === "" ? {} : parsed(text), retryAfterMs };
}

/** One that no other request has: of 10.0.0.0/8, which is nobody's. */
function randomAddress(): string {
  return `10.${randomInt(256)}.${randomInt(256)}.${randomInt(1, 255)}`;
}

function sessionOf({ session_id, access_token, refresh_token }: Reply["body"]): Session {
  return { id: String(session_id), access: String(access_token), refresh: String(refresh_token) };
}

function parsed(text: string): Reply["body"] {
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 200) };
  }
}

function describe({ status, body }: Reply): string {
  return `${status} ${String(body.code ?? "")} ${String(body.detail ?? "")}`.trim();
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}
