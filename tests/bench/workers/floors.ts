/**
 * Floors: the least that the platform can do for the same work, with none of the service's code.
 * One path a floor. For the bench alone.
 */
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { importJWK, type JWTPayload, jwtVerify, SignJWT } from "jose";
import type { SessionVerifierContract } from "../../../schema/session-verifier.ts";
import { verifyPassword } from "../../../worker/passwords/registry.ts";

type FloorsEnv = {
  OBJECTS: DurableObjectNamespace<FloorObject>;
  KV: KVNamespace;
  DB: D1Database;
  /** A private JWK (Ed25519) and a symmetric secret: the ones that the service signs with. */
  SIGNING_JWK: string;
  REFRESH_SECRET: string;
  BARE_VERIFIER: Service<BareVerifier>;
  VERIFIER: SessionVerifierContract;
};

type Keys = { sign: CryptoKey; verify: CryptoKey; refresh: CryptoKey; kid: string };

let opened: Keys | null = null;

async function keysOf(env: FloorsEnv): Promise<Keys> {
  if (opened !== null) return opened;
  const { d, ...open } = JSON.parse(env.SIGNING_JWK);
  const sign = await importJWK({ ...open, d }, "EdDSA");
  const verify = await importJWK(open, "EdDSA");
  if (sign instanceof Uint8Array || verify instanceof Uint8Array) throw new TypeError("not a key pair");
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const secret = new TextEncoder().encode(env.REFRESH_SECRET);
  const refresh = await crypto.subtle.importKey("raw", secret, hmac, false, ["sign", "verify"]);
  opened = { sign, verify, refresh, kid: open.kid };
  return opened;
}

async function checkAccess(env: FloorsEnv, token: string): Promise<JWTPayload> {
  const { verify } = await keysOf(env);
  return (await jwtVerify(token, verify, { algorithms: ["EdDSA"], typ: "at+jwt" })).payload;
}

async function signTwo(env: FloorsEnv, access: JWTPayload, refresh: JWTPayload): Promise<Response> {
  const { sign, refresh: refreshKey, kid } = await keysOf(env);
  const [access_token, refresh_token] = await Promise.all([
    new SignJWT(access).setProtectedHeader({ alg: "EdDSA", kid, typ: "at+jwt" }).sign(sign),
    new SignJWT(refresh).setProtectedHeader({ alg: "HS256", typ: "rt+jwt" }).sign(refreshKey),
  ]);
  return Response.json({ access_token, refresh_token });
}

/** An access token says about three times what a refresh token says. */
function accessLike(refresh: JWTPayload): JWTPayload {
  return { ...refresh, username: "somebody", role: "user", auth_time: refresh.iat, amr: ["pwd"], ep: 1 };
}

/** Object calls of the Worker that this one is the tail of, by class and method, since they were asked for. */
let heard: Record<string, number> = {};

const bearer = (request: Request): string => (request.headers.get("Authorization") ?? "").slice(7);

const FLOORS: Record<string, (request: Request, env: FloorsEnv, arg: string) => Promise<Response>> = {
  "/heard": async () => {
    const answer = Response.json(heard);
    heard = {};
    return answer;
  },
  "/empty": async () => new Response(null),
  "/verify": async (request, env) => Response.json(await checkAccess(env, bearer(request))),
  "/verify-body": async (request, env) => {
    const { token } = await request.json<{ token: string }>();
    return Response.json(await checkAccess(env, token));
  },
  "/verify-rpc": async (request, env) => Response.json(await env.BARE_VERIFIER.verify(bearer(request))),
  "/verify-by-service": async (request, env) => {
    const answer = await env.VERIFIER.verify(bearer(request), { tier: "local" });
    return Response.json(answer, { status: answer.kind === "valid" ? 200 : 503 });
  },
  "/verify-and-d1": async (request, env, id) => {
    await checkAccess(env, bearer(request));
    return Response.json(await readUser(env, id));
  },
  "/call": async (_request, env, name) => Response.json(await env.OBJECTS.getByName(name).nothing()),
  "/write": async (_request, env, name) => Response.json(await env.OBJECTS.getByName(name).write(Date.now())),
  "/kv": async (_request, env, key) => Response.json(await env.KV.get(key, { type: "json", cacheTtl: 30 })),
  "/d1": async (_request, env, id) => Response.json(await readUser(env, id)),
  "/hash": async (request) => {
    const { password, hash } = await request.json<{ password: string; hash: string }>();
    return Response.json(await verifyPassword(password, hash));
  },
  "/refresh": async (request, env) => {
    const { token, object } = await refreshOf(request, env);
    await object.write(Date.now());
    return signTwo(env, accessLike(token), token);
  },
  "/refresh-meanwhile": async (request, env) => {
    const { token, object } = await refreshOf(request, env);
    const [answer] = await Promise.all([signTwo(env, accessLike(token), token), object.write(Date.now())]);
    return answer;
  },
  "/login": async (request, env) => {
    const { username } = await request.json<{ username: string }>();
    const user = await env.DB.prepare("SELECT * FROM users WHERE username = ?").bind(username).first();
    const id = crypto.randomUUID();
    await env.OBJECTS.getByName(String(user?.id)).insert(id);
    const iat = Math.floor(Date.now() / 1000);
    const claims = { sub: String(user?.id), sid: id, jti: crypto.randomUUID(), iat, exp: iat + 600 };
    return signTwo(env, accessLike(claims), claims);
  },
};

function readUser(env: FloorsEnv, id: string): Promise<unknown> {
  return env.DB.prepare("SELECT * FROM users WHERE id = ?").bind(Number(id)).first();
}

async function refreshOf(request: Request, env: FloorsEnv) {
  const { refresh } = await keysOf(env);
  const { refresh_token } = await request.json<{ refresh_token: string }>();
  const options = { algorithms: ["HS256"], typ: "rt+jwt" };
  const { payload: token } = await jwtVerify(refresh_token, refresh, options);
  return { token, object: env.OBJECTS.getByName(String(token.sub)) };
}

export class FloorObject extends DurableObject<FloorsEnv> {
  constructor(ctx: DurableObjectState, env: FloorsEnv) {
    super(ctx, env);
    ctx.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS rows (id TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID",
    );
  }

  async nothing(): Promise<true> {
    return true;
  }

  async write(value: number): Promise<true> {
    const sql = "INSERT INTO rows VALUES ('one', ?) ON CONFLICT (id) DO UPDATE SET value = excluded.value";
    this.ctx.storage.sql.exec(sql, value);
    return true;
  }

  async insert(id: string): Promise<true> {
    this.ctx.storage.sql.exec("INSERT INTO rows VALUES (?, 0)", id);
    return true;
  }
}

/** The floor of the service's own RPC entrypoint: a call to another Worker that checks one signature. */
export class BareVerifier extends WorkerEntrypoint<FloorsEnv> {
  async verify(token: string): Promise<JWTPayload> {
    return checkAccess(this.env, token);
  }
}

export default {
  async fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    const floor = FLOORS[pathname];
    return floor === undefined ? new Response(null, { status: 404 }) : floor(request, env, search.slice(1));
  },
  tail(events) {
    for (const { entrypoint, event } of events) {
      if (entrypoint === undefined || event === null || !("rpcMethod" in event)) continue;
      const name = `${entrypoint}.${event.rpcMethod}`;
      heard[name] = (heard[name] ?? 0) + 1;
    }
  },
} satisfies ExportedHandler<FloorsEnv>;
