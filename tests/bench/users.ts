/**
 * Users for the bench: rows straight into D1, sessions through the service's own login. Each has a
 * client address of its own, so that no two ever meet in a limit.
 */
import type { Host, WorkerName } from "./host.ts";
import { ask, type Call, type Loop } from "./load.ts";
import { NO_HASH } from "./no-hash.ts";

export const PASSWORD = "a quiet harbour 27";
/** Who is who, by number. */
export const USERS = {
  signedIn: { from: 1, to: 64 },
  /** With the hash that a registration makes; everybody else's needs no work. */
  hashed: { from: 65, to: 1_000 },
  spare: { from: 1_001, to: 20_000 },
  growing: { from: 20_001 },
  counted: { from: 40_001 },
  count: 40_010,
} as const;
const NAME = "bench";
const LANES = 32;

export type SignedIn = { id: number; access: string; refresh: string };

/** Rows 1 to `count` of `users`, in one statement. */
export async function insertUsers(host: Host, count: number): Promise<void> {
  await host.sql(`
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO users (id, username, username_key, password_hash, created_at)
    SELECT i, '${NAME}-' || i, '${NAME}-' || i, '${NO_HASH}', 1 FROM n`);
}

/** Gives these users the hash that a registration makes, for the Worker that has its hash. */
export async function setHash(host: Host, hash: string, from: number, to: number): Promise<void> {
  await host.sql(`UPDATE users SET password_hash = '${hash}' WHERE id BETWEEN ${from} AND ${to}`);
}

/** The stored hash of `PASSWORD`, made by the service itself: by registering somebody. */
export async function registeredHash(host: Host): Promise<string> {
  const username = `${NAME}-hashed`;
  const body = { username, password: PASSWORD, password2: PASSWORD };
  await ask(host.origins.hashing, {
    method: "POST",
    path: "/api/accounts/register",
    address: "10.254.0.1",
    body,
  });
  const [row] = await host.sql(`SELECT password_hash FROM users WHERE username = '${username}'`);
  return String(row?.password_hash);
}

/** The address of a user, one for each `purpose` (0 to 200). */
export function addressOf(id: number, purpose: number): string {
  return `${20 + purpose}.${(id >> 16) & 255}.${(id >> 8) & 255}.${id & 255}`;
}

export function login(id: number, purpose: number): Call {
  const body = { username: `${NAME}-${id}`, password: PASSWORD };
  return { method: "POST", path: "/api/accounts/login", address: addressOf(id, purpose), body };
}

/** Opens `each` sessions for every one of the users; answers the last one of each. */
export async function signIn(
  host: Host,
  ids: readonly number[],
  {
    each = 1,
    worker = "service",
    purpose = 0,
  }: { each?: number; worker?: WorkerName; purpose?: number } = {},
): Promise<SignedIn[]> {
  const found = new Map<number, SignedIn>();
  await inLanes(ids, async (id) => {
    for (let i = 0; i < each; i += 1)
      found.set(id, pairOf(id, await ask(host.origins[worker], login(id, purpose))));
  });
  return ids.map((id) => found.get(id) ?? never(id));
}

export function pairOf(id: number, body: string): SignedIn {
  const { access_token, refresh_token } = JSON.parse(body) as { access_token: string; refresh_token: string };
  return { id, access: access_token, refresh: refresh_token };
}

export function refresh({ id, refresh: refresh_token }: SignedIn, purpose: number): Call {
  const path = "/api/accounts/token/refresh";
  return { method: "POST", path, address: addressOf(id, purpose), body: { refresh_token } };
}

/** Loops that go round these users, each loop round its own part, and keep every user's newest tokens. */
export function refreshLoops(users: SignedIn[], loops: number, purpose: number): Loop[] {
  return Array.from({ length: loops }, (_, loop) => {
    let turn = loop;
    return () => {
      const at = turn % users.length;
      const user = users[at];
      if (user === undefined) return null;
      turn += loops;
      const done = (body: string) => {
        users[at] = pairOf(user.id, body);
      };
      return { call: refresh(user, purpose), done };
    };
  });
}

/** Every one of these users refreshes once: an object that nobody has asked for ten seconds sleeps. */
export async function wake(host: Host, users: SignedIn[], purpose: number): Promise<void> {
  await inLanes([...users.entries()], async ([at, user]) => {
    users[at] = pairOf(user.id, await ask(host.origins.service, refresh(user, purpose)));
  });
}

async function inLanes<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const queue = [...items];
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** Hands out users that nobody had before. Throws when there are no more. */
export class Fresh {
  #next: number;
  readonly #last: number;

  constructor({ from, to }: { from: number; to: number }) {
    this.#next = from;
    this.#last = to;
  }

  take(count: number): number[] {
    const ids = Array.from({ length: count }, (_, i) => this.#next + i);
    this.#next += count;
    if (this.#next > this.#last + 1) throw new Error("not enough users for so many rounds");
    return ids;
  }
}

function never(id: number): never {
  throw new Error(`user ${id} was not signed in`);
}
