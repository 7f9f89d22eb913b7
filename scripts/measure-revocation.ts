/**
 * `npm run measure:revocation -- --base URL [--sessions N]`: ends sessions of a running service and
 * prints how long each tier went on accepting them after the revocation was answered. Exit status
 * 1 if a bound was broken. Makes its own accounts, each from an address of its own; a local
 * service takes the address from the header, the real edge sets it itself and limits apply.
 */
import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

type Tier = "confirmed" | "leased" | "local";
type Session = { access: string; refresh: string; sid: string; address: string };

const BOUND_SECONDS: Record<Tier, number> = { confirmed: 0, leased: 5, local: 60 };
const POLL_MS = 50;
/** A tier that has refused this often in a row has stopped accepting. */
const REFUSALS = 3;
const PASSWORD = "measured harbour 27";

const { values } = parseArgs({
  options: { base: { type: "string" }, sessions: { type: "string", default: "20" } },
});
const base = values.base?.replace(/\/$/, "");
const sessions = Number(values.sessions);
if (base === undefined || !Number.isInteger(sessions) || sessions < 1) {
  console.error("usage: npm run measure:revocation -- --base URL [--sessions N]");
  process.exit(2);
}

const lags: Record<Tier, number[]> = { confirmed: [], leased: [], local: [] };
const run = randomInt(1 << 20);
for (let i = 0; i < sessions; i += 1) {
  const measured = await measureOne(`measured-${run}-${i}`, i);
  for (const tier of tiers()) lags[tier].push(measured[tier]);
}

const row = (...cells: string[]) => console.log(cells.map((cell) => cell.padEnd(11)).join(""));
row("tier", "p50", "p99", "max", "bound");
let isBroken = false;
for (const tier of tiers()) {
  const sorted = lags[tier].sort((one, other) => one - other);
  const at = (share: number) => seconds(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
  const max = sorted.at(-1) ?? 0;
  isBroken ||= max > BOUND_SECONDS[tier] * 1000;
  row(tier, at(0.5), at(0.99), seconds(max), `${BOUND_SECONDS[tier]} s`);
}
console.log(`${sessions} sessions; seconds from the answer of the revocation to the last request accepted`);
process.exit(isBroken ? 1 : 0);

/** Begins two sessions, uses one, ends it by the other, and asks each tier until it refuses. Milliseconds. */
async function measureOne(username: string, index: number): Promise<Record<Tier, number>> {
  const address = `198.19.${(index >> 8) & 255}.${index & 255}`;
  const credentials = { username, password: PASSWORD };
  const owner = sessionOf(await call("register", address, { ...credentials, password2: PASSWORD }), address);
  const session = sessionOf(await call("login", address, credentials), address);
  for (const tier of tiers()) {
    if (!(await accepts(tier, session))) throw new Error(`${tier} refuses a session that is live`);
  }
  const ended = await call(`sessions/${session.sid}`, address, undefined, {
    token: owner.access,
    method: "DELETE",
  });
  if (ended.status !== 204) throw new Error(`the session did not end: ${ended.status}`);
  const answeredAt = performance.now();
  const measured = await Promise.all(tiers().map((tier) => lastAccepted(tier, session, answeredAt)));
  return { confirmed: measured[0] ?? 0, leased: measured[1] ?? 0, local: measured[2] ?? 0 };
}

async function lastAccepted(tier: Tier, session: Session, answeredAt: number): Promise<number> {
  let last = 0;
  for (let refusals = 0; refusals < REFUSALS; ) {
    const askedAt = performance.now();
    if (await accepts(tier, session)) {
      last = askedAt - answeredAt;
      refusals = 0;
      if (last > 2000 * (BOUND_SECONDS[tier] + 1)) return last;
    } else refusals += 1;
    await pause(POLL_MS);
  }
  return last;
}

async function accepts(tier: Tier, session: Session): Promise<boolean> {
  const { access, address } = session;
  switch (tier) {
    case "confirmed": {
      const { status, body } = await call("token/refresh", address, { refresh_token: session.refresh });
      if (status === 200) session.refresh = textOf(body, "refresh_token");
      return isAccepted(status);
    }
    case "leased":
      return isAccepted((await call("user", address, undefined, { token: access })).status);
    case "local":
      return isAccepted((await call("token/verify", address, { token: access })).status);
  }
}

function isAccepted(status: number): boolean {
  if (status === 200 || status === 401) return status === 200;
  throw new Error(`neither accepted nor refused: ${status}`);
}

type Answered = { status: number; body: unknown };

async function call(
  path: string,
  address: string,
  body?: unknown,
  options: { token?: string; method?: string } = {},
): Promise<Answered> {
  const { token, method = body === undefined ? "GET" : "POST" } = options;
  const response = await fetch(`${base}/api/accounts/${path}`, {
    method,
    headers: {
      "CF-Connecting-IP": address,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

function sessionOf({ status, body }: Answered, address: string): Session {
  if (status >= 300) throw new Error(`could not sign in: ${status}`);
  return {
    access: textOf(body, "access_token"),
    refresh: textOf(body, "refresh_token"),
    sid: textOf(body, "session_id"),
    address,
  };
}

function textOf(body: unknown, name: string): string {
  const value: unknown = typeof body === "object" && body !== null ? Reflect.get(body, name) : null;
  if (typeof value !== "string") throw new Error(`the answer has no ${name}`);
  return value;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(3)} s`;
}

function tiers(): Tier[] {
  return ["confirmed", "leased", "local"];
}
