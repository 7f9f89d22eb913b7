/** The service with a part of it broken: the same application, other bindings. */
import { createExecutionContext, runInDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { app } from "../../worker/app.ts";
import { type Answer, ORIGIN, parsed } from "./client.ts";

const broken = (): never => {
  throw new Error("the network is down");
};

/** A binding of which every call fails. */
export function down<Binding extends object>(): Binding {
  return new Proxy({} as Binding, { get: () => broken });
}

/** Bindings with which nothing reaches the audit trail: D1 takes all but its rows, and the Queue is down. */
export function withoutTrail(): { DB: D1Database; AUDIT_QUEUE: Queue } {
  const DB = new Proxy(env.DB, {
    get: (db, name) => {
      if (name !== "prepare") return Reflect.get(db, name).bind(db);
      return (sql: string) => (/audit_events|security_hours/.test(sql) ? broken() : db.prepare(sql));
    },
  });
  return { DB, AUDIT_QUEUE: down<Queue>() };
}

/** A namespace whose stubs cannot be reached. */
export function unreachable<Namespace extends object>(): Namespace {
  return { getByName: () => down() } as unknown as Namespace;
}

/** Gives the object behind `stub` these bindings, until it is given others or evicted. */
export async function rebind(
  stub: DurableObjectStub,
  overrides: Record<string, unknown> = {},
): Promise<void> {
  await runInDurableObject(stub, (object) => {
    Object.defineProperty(object, "env", { configurable: true, value: { ...env, ...overrides } });
  });
}

/** The users' objects, which cannot be reached for one method. */
export function failing(method: string) {
  return meanwhile(method, broken);
}

/** The users' objects, where something else happens before one method is reached. */
export function meanwhile(method: string, act: () => unknown) {
  return {
    getByName: (name: string) => {
      const stub = env.USER_AUTHORITY.getByName(name);
      const get = (_target: object, key: string | symbol) => {
        return async (...args: unknown[]) => {
          if (key === method) await act();
          return Reflect.apply(Reflect.get(stub, key), stub, args);
        };
      };
      return new Proxy({}, { get });
    },
  };
}

/** One request to the service with these bindings in place of its own. */
export async function askWith(
  overrides: Record<string, unknown>,
  path: string,
  init: RequestInit = {},
): Promise<Answer> {
  const ctx = createExecutionContext();
  const headers = new Headers(init.headers);
  if (!headers.has("CF-Connecting-IP")) headers.set("CF-Connecting-IP", "192.0.2.77");
  if (init.body !== undefined) headers.set("Content-Type", "application/json");
  const request = new Request(ORIGIN + path, { ...init, headers });
  const response = await app.fetch(request, { ...env, ...overrides }, ctx);
  await waitOnExecutionContext(ctx);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
}
