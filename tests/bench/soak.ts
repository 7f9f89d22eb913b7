/**
 * Memory over many minutes of people who come, look about and go, each from an address that was never
 * seen: what an isolate keeps of them must be bounded.
 */
import type { Goal } from "./goals.ts";
import type { Host } from "./host.ts";
import { type Call, drive } from "./load.ts";
import { spreadOf } from "./statistics.ts";
import { addressOf, login, pairOf, type SignedIn } from "./users.ts";

export type Soak = { visits: number; requests: number; memoryMib: number[]; goal: Goal };

const LANES = 8;
const SAMPLE_MS = 5_000;
/** Of the bench's addresses, those that no other part uses; each request of a visit has one of its own. */
const PURPOSE = 100;
const PURPOSES = 100;
const OF_A_VISIT = 4;
/** By then every cache that is bounded by count is full, and the heap as large as it gets. */
const SETTLED = 0.4;

/** The users come again and again, from another address each time. */
export async function soak(
  host: Host,
  minutes: number,
  { from, to }: { from: number; to: number },
): Promise<Soak> {
  const users = to - from + 1;
  const forMs = minutes * 60_000;
  const memoryMib: number[] = [];
  const sampler = setInterval(() => {
    const now = host.memoryMib();
    if (now !== null) memoryMib.push(now);
  }, SAMPLE_MS);
  let visits = 0;
  let requests = 0;
  const visitor = (): (() => { call: Call; done: (body: string) => void }) => {
    let left: Call[] = [];
    return () => {
      requests += 1;
      const next = left.shift();
      if (next !== undefined) return { call: next, done: () => undefined };
      const id = from + (visits % users);
      const turn = Math.floor(visits / users) * OF_A_VISIT;
      const purposes = Array.from({ length: OF_A_VISIT }, (_, i) => PURPOSE + ((turn + i) % PURPOSES));
      visits += 1;
      return {
        call: login(id, purposes[0] ?? PURPOSE),
        done: (body) => {
          left = visit(pairOf(id, body), purposes);
        },
      };
    };
  };
  try {
    await drive(host.origins.service, Array.from({ length: LANES }, visitor), forMs);
  } finally {
    clearInterval(sampler);
  }
  const settled = memoryMib.slice(Math.floor(memoryMib.length * SETTLED));
  const half = Math.floor(settled.length / 2);
  const before = spreadOf(settled.slice(0, half));
  const after = spreadOf(settled.slice(half));
  const found = before === null || after === null ? null : spreadOf([after.median / before.median]);
  const name = `memory, last third of ${minutes} minutes ÷ the third before`;
  return { visits, requests, memoryMib, goal: { name, found, unit: "×", atMost: 1.1 } };
}

/** What a visitor asks for once signed in. */
function visit({ id, access: token }: SignedIn, [, ...purposes]: readonly number[]): Call[] {
  const [first, second, third] = purposes.map((purpose) => ({ address: addressOf(id, purpose) }));
  return [
    { method: "GET", path: "/api/accounts/user", ...first, token },
    { method: "POST", path: "/api/accounts/token/verify", ...second, body: { token } },
    { method: "POST", path: "/api/accounts/logout", ...third, token, body: { scope: "global" } },
  ];
}
