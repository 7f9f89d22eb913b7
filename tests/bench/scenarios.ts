/** What is measured: the floors, and the service's own operations on the same runtime. */
import type { Options } from "./arguments.ts";
import type { Host, WorkerName } from "./host.ts";
import type { Call, Loop } from "./load.ts";
import {
  addressOf,
  Fresh,
  login,
  PASSWORD,
  refreshLoops,
  type SignedIn,
  signIn,
  USERS,
  wake,
} from "./users.ts";

export type Scenario = {
  name: string;
  /** The operation that it is compared with. */
  floor?: string;
  worker: WorkerName;
  /** Loops at once. */
  at: readonly number[];
  /** Makes ready what a slice consumes, outside of its time. */
  open: (loops: number) => Loop[] | Promise<Loop[]>;
  /** Runs beside the slice and is not measured. */
  beside?: () => Promise<Loop[]>;
  /** Nothing can be asked twice: no lead-in, and the warm-up asks what `warmUp` makes ready. */
  isUsedUp?: true;
  warmUp?: () => Promise<Loop[]>;
  /**
   * How long the service is given, before the slice and after it, for what it still does after its answers (alarms,
   * deliveries of events), so that it falls into no other slice.
   */
  settleMs?: number;
};

const BOTH = [1, 32] as const;
const ONE = [1] as const;
const FEW = 4;
/** So many calls until the code of one is compiled for good. */
const WARM_UP_USERS = 200;
const DELIVERED_MS = 1800;

/** The same request again and again, each loop its own. */
const forever = (loops: number, call: (loop: number) => Call): Loop[] =>
  Array.from({ length: loops }, (_, loop) => {
    const step = { call: call(loop) };
    return () => step;
  });

/** Another request each time; no two loops have the same one at once. */
const turning = (loops: number, call: (turn: number) => Call): Loop[] =>
  Array.from({ length: loops }, (_, loop) => {
    let turn = loop;
    return () => {
      turn += loops;
      return { call: call(turn) };
    };
  });

const among = ({ from, to }: { from: number; to: number }, turn: number): number =>
  from + (turn % (to - from + 1));

/** `users`: signed in. `hash`: the stored hash of everybody's password. */
export function floors(users: readonly SignedIn[], hash: string): Scenario[] {
  const one = (turn: number) => among(USERS.signedIn, turn);
  const tokenOf = (loop: number) => users[loop % users.length]?.access ?? "";
  const refreshBody = (turn: number) => ({ refresh_token: users[turn % users.length]?.refresh ?? "" });
  const floor = (name: string, open: Scenario["open"], at: readonly number[] = BOTH): Scenario => {
    return { name, worker: "floors", at, open };
  };
  const get = (name: string, path: (turn: number) => string): Scenario =>
    floor(name, (loops) => turning(loops, (turn) => ({ method: "GET", path: path(turn) })));
  const checked = (name: string, path: string): Scenario =>
    floor(name, (loops) =>
      forever(loops, (loop) => ({ method: "GET", path: `${path}?${one(loop)}`, token: tokenOf(loop) })),
    );
  const post = (
    name: string,
    path: string,
    body: (turn: number) => unknown,
    at = BOTH as readonly number[],
  ) => floor(name, (loops) => turning(loops, (turn) => ({ method: "POST", path, body: body(turn) })), at);
  return [
    get("empty Worker", () => "/empty"),
    checked("signature check", "/verify"),
    post("signature check, token in a body", "/verify-body", (turn) => ({ token: tokenOf(turn) })),
    checked("signature check over RPC", "/verify-rpc"),
    get("object call", (turn) => `/call?${one(turn)}`),
    get("object write", (turn) => `/write?${one(turn)}`),
    get("KV read", () => "/kv?some-key"),
    get("D1 read", (turn) => `/d1?${one(turn)}`),
    checked("signature check + D1 read", "/verify-and-d1"),
    post("refresh floor", "/refresh", refreshBody),
    post("refresh floor, signed meanwhile", "/refresh-meanwhile", refreshBody),
    post("login floor", "/login", (turn) => ({ username: `bench-${one(turn)}` })),
    post("hash alone", "/hash", () => ({ password: PASSWORD, hash }), ONE),
  ];
}

/** The operations of the service, each with the floor that it stands on. */
export function ours(host: Host, users: SignedIn[], options: Options): Scenario[] {
  const tokenOf = (loop: number) => users[loop % users.length]?.access ?? "";
  const spare = new Fresh(USERS.spare);
  const hashed = new Fresh(USERS.hashed);
  /** Logins of users who are new in this slice: nobody piles up sessions, and everybody's objects are awake. */
  const logins = async (fresh: Fresh, worker: WorkerName, count: number, loops: number): Promise<Loop[]> => {
    const ids = fresh.take(count);
    await signIn(host, ids, { worker });
    return turning(loops, (turn) => login(ids[turn % count] ?? 0, 0));
  };
  const verify = (loop: number): Call => ({
    method: "POST",
    path: "/api/accounts/token/verify",
    address: addressOf(loop, 2),
    body: { token: tokenOf(loop) },
  });
  const overRpc = (loop: number): Call => ({
    method: "GET",
    path: "/verify-by-service",
    token: tokenOf(loop),
  });
  const user = (loop: number): Call => ({
    method: "GET",
    path: "/api/accounts/user",
    address: addressOf(loop, 3),
    token: tokenOf(loop),
  });
  const service = { worker: "service", at: BOTH } as const;
  const hashing = { worker: "hashing", at: ONE } as const;
  const rpc: Scenario = {
    name: "verify over RPC",
    floor: "signature check",
    worker: "floors",
    at: BOTH,
    open: (n) => forever(n, overRpc),
  };
  return [
    { ...service, name: "verify", floor: "signature check", open: (n) => forever(n, verify) },
    ...(host.hasRpc ? [rpc] : []),
    { ...service, name: "GET user", floor: "signature check + D1 read", open: (n) => forever(n, user) },
    {
      ...service,
      name: "refresh",
      floor: "refresh floor",
      settleMs: DELIVERED_MS,
      open: async (n) => {
        await wake(host, users, 4);
        return refreshLoops(users, n, 4);
      },
    },
    {
      ...service,
      name: "login, hash taken out",
      floor: "login floor",
      settleMs: DELIVERED_MS,
      open: (n) => logins(spare, "service", users.length, n),
    },
    {
      ...hashing,
      name: "login",
      floor: "hash alone",
      settleMs: DELIVERED_MS,
      open: (n) => logins(hashed, "hashing", FEW, n),
    },
    {
      ...hashing,
      name: "verify beside four logins",
      floor: "signature check",
      settleMs: DELIVERED_MS,
      open: (n) => forever(n, verify),
      beside: () => logins(hashed, "hashing", FEW, FEW),
    },
    ...options.revokeSizes.map((sessions) => {
      return revokeAll(
        host,
        spare,
        sessions,
        Math.min(options.revokedEach, options.revokeSessions / sessions),
      );
    }),
  ];
}

/** Each of so many users is signed in anew with so many sessions, and ends them all once. */
function revokeAll(host: Host, fresh: Fresh, sessions: number, users: number): Scenario {
  const logout = ({ id, access }: SignedIn): Call => ({
    method: "POST",
    path: "/api/accounts/logout",
    address: addressOf(id, 0),
    token: access,
    body: { scope: "global" },
  });
  const open = async (count: number, each: number): Promise<Loop[]> => {
    const queue = await signIn(host, fresh.take(count), { each });
    return [
      () => {
        const next = queue.shift();
        return next === undefined ? null : { call: logout(next) };
      },
    ];
  };
  return {
    name: `revoke-all of ${sessions}`,
    floor: "object write",
    worker: "service",
    at: ONE,
    isUsedUp: true,
    settleMs: DELIVERED_MS,
    warmUp: () => open(WARM_UP_USERS, 1),
    open: () => open(users, sessions),
  };
}
