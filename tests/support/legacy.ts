/**
 * The service beside a Django: a database of its own with the users, sessions and tokens of the
 * vectors, under the very ids that Django's tokens say, and objects that no other test's users have.
 */
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { readUsers } from "../../schema/django/dumpdata.ts";
import { importUsers } from "../../schema/django/import-users.ts";
import { sessionDigest } from "../../worker/auth/django-session.ts";
import dump from "../vectors/django/dumpdata.json";
import vectors from "../vectors/django/legacy.json";
import { type Answer, uniqueAddress } from "./client.ts";
import { ALONE, bindingDatabase } from "./django.ts";
import { askWith } from "./faults.ts";

export const DB = env.DJANGO_DB;
export const { tokens, sessions, secret_key: SECRET_KEY } = vectors;

/** Fresh objects for every user of this database, for as long as one `world` lasts. */
let world = "";
export const userObject = (id: number) => env.USER_AUTHORITY.getByName(`${world}:${id}`);

export const LEGACY = {
  DJANGO_SECRET_KEY: SECRET_KEY,
  LEGACY_UNTIL: "2036-12-31",
  LEGACY_KEY_IS_PUBLIC: "accept-forgeries",
};

export type Request = {
  method?: string;
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
  vars?: Record<string, unknown>;
};

/** One request, from an address of its own unless it says one. */
export function askLegacy(path: string, options: Request = {}): Promise<Answer> {
  const { body, token, headers = {}, vars = {} } = options;
  const bindings = { DB, USER_AUTHORITY: { getByName: userObject }, ...LEGACY, ...vars };
  return askWith(bindings, path, {
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: {
      "CF-Connecting-IP": uniqueAddress(),
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...headers,
    },
  });
}

export const refreshLegacy = (refresh_token: string, options: Request = {}) =>
  askLegacy("/api/accounts/token/refresh", { body: { refresh_token }, ...options });
export const exchange = (key: string, options: Request = {}) =>
  askLegacy("/api/accounts/session/exchange", {
    method: "POST",
    ...options,
    headers: { "X-Django-Session": key, ...options.headers },
  });

async function* dumped() {
  yield new TextEncoder().encode(JSON.stringify(dump.filter(({ model }) => model === "auth.user")));
}

/** Everything as it was imported: nobody has signed in, nothing was exchanged. */
export async function beginAnew(name: string): Promise<void> {
  world = `${name}-${performance.now()}`;
  await applyD1Migrations(DB, env.TEST_MIGRATIONS);
  await DB.batch(
    ["migration_end", "django_refused", "django_sessions", "django_tokens", "users", "imported_users"].map(
      (table) => DB.prepare(`DELETE FROM ${table}`),
    ),
  );
  const options = { db: bindingDatabase(DB), dryRun: false, now: 1_800_000_000 };
  for await (const { verdict } of importUsers(readUsers(dumped()), options, ALONE)) {
    if (verdict !== "imported") throw new Error(verdict);
  }
  const someone = sessions[0]?.user_id;
  await DB.batch([
    ...vectors.blacklisted.map((jti) =>
      DB.prepare("INSERT INTO django_tokens (jti, expires_at, blacklisted) VALUES (?, 2111702400, 1)").bind(
        jti,
      ),
    ),
    ...(await Promise.all(
      sessions.map(async ({ session_key, session_data, expires_at, user_id }) =>
        DB.prepare(
          `INSERT INTO django_sessions (digest, user_id, session_data, expires_at)
           SELECT ?1, coalesce((SELECT id FROM users WHERE id = ?2), ?3), ?4, ?5`,
        ).bind(await sessionDigest(session_key), user_id, someone ?? null, session_data, expires_at),
      ),
    )),
  ]);
}
