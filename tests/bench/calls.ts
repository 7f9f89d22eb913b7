/**
 * Object calls by operation, counted by a tail Worker that hears of every invocation. The limits
 * are the ones of wrangler.toml: how often a limit must be asked for depends on what it is.
 */
import type { Goal } from "./goals.ts";
import type { Host } from "./host.ts";
import { ask, type Call } from "./load.ts";
import { spreadOf } from "./statistics.ts";
import { addressOf, login, refresh, type SignedIn, signIn } from "./users.ts";

/** `byMethod`: like `{ "UserAuthority.refresh": 20 }`, for all of the requests. */
export type CallCount = { name: string; requests: number; byMethod: Record<string, number> };

const BURST = 50;
const STEADY = 12;
const A_SECOND_MS = 1000;
/** Tail events arrive a moment after the answer. */
const HEARD_MS = 300;

export async function countCalls(host: Host, from: number): Promise<CallCount[]> {
  const users = await signIn(host, [from, from + 1, from + 2, from + 3], { worker: "counted" });
  const [bursting, steady, verified, refreshed] = users;
  if (!bursting || !steady || !verified || !refreshed) throw new Error("users were not signed in");
  const get = ({ id, access }: SignedIn): Call => {
    return { method: "GET", path: "/api/accounts/user", address: addressOf(id, 12), token: access };
  };
  const verify: Call = {
    method: "POST",
    path: "/api/accounts/token/verify",
    address: addressOf(verified.id, 13),
    body: { token: verified.access },
  };
  const logout: Call = {
    method: "POST",
    path: "/api/accounts/logout",
    address: addressOf(from, 14),
    token: verified.access,
    body: {},
  };
  return [
    await counted(host, "GET user, a burst", BURST, 0, () => get(bursting)),
    await counted(host, "GET user, one a second", STEADY, A_SECOND_MS, () => get(steady)),
    await counted(host, "verify, a burst", BURST, 0, () => verify),
    await counted(host, "refresh", 1, 0, () => refresh(refreshed, 15)),
    await counted(host, "login", 1, 0, () => login(from, 16)),
    await counted(host, "revoke-all", 1, 0, () => logout),
  ];
}

async function counted(
  host: Host,
  name: string,
  requests: number,
  everyMs: number,
  call: () => Call,
): Promise<CallCount> {
  await heard(host);
  for (let i = 0; i < requests; i += 1) {
    await ask(host.origins.counted, call());
    if (everyMs > 0) await pause(everyMs);
  }
  return { name, requests, byMethod: await heard(host) };
}

/** The calls since it was last asked. */
async function heard(host: Host): Promise<Record<string, number>> {
  await pause(HEARD_MS);
  return JSON.parse(await ask(host.origins.floors, { method: "GET", path: "/heard" }));
}

/** Without the global epoch's: an isolate asks for it by the clock, whatever the number of requests. */
export function callsOf({ byMethod }: CallCount): number {
  return Object.entries(byMethod).reduce((sum, [method, calls]) => {
    return method.startsWith("GlobalEpoch.") ? sum : sum + calls;
  }, 0);
}

export function callGoals(counts: readonly CallCount[]): Goal[] {
  return counts
    .filter(({ name }) => name.startsWith("GET user"))
    .map((count) => {
      const found = spreadOf([callsOf(count) / count.requests]);
      return { name: `object calls a request: ${count.name}`, found, unit: "" as const, atMost: 0.1 };
    });
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}
