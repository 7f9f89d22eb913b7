/**
 * The roles and their permissions as this isolate knows them: all of them, read from D1 at most
 * once in a few seconds, in the background while traffic flows. A role that is not there may do
 * nothing. Also the only SQL of `roles`.
 */
import type { AuditEvent } from "../schema/audit-events.ts";
import type { AccessClaims } from "../schema/claims.ts";
import { log } from "../schema/log.ts";
import { ROLES_MAX, scopeOf, storedPermissions } from "../schema/permissions.ts";
import { isFresh, type NumericDate, toIso, toNumericDate } from "../schema/time.ts";
import { reach } from "./authorities.ts";
import { readClockMs } from "./context.ts";
import { Outage } from "./http/problems.ts";
import { noteIfChanged } from "./untold-events.ts";

/** How long a change of a role's permissions may be unknown here; the isolate that makes it knows at once. */
const FRESH_MS = 5000;
const RENEW_AFTER_MS = FRESH_MS / 2;
/** An access check must not hang on a database that does. */
const TIMEOUT_MS = 1000;
/** After a failure, nobody else waits for the next one. */
const FAILED_MS = 1000;

type Waiter = Pick<ExecutionContext, "waitUntil">;
/** `version` grows with each change of the permissions; a role that does not exist has 0. */
type Role = { permissions: readonly string[]; version: number; changedAt: NumericDate };
type RoleTable = ReadonlyMap<string, Role>;

const NO_ROLE: Role = { permissions: [], version: 0, changedAt: 0 };

let known: { table: RoleTable; askedAtMs: number } | null = null;
let renewedAtMs = Number.NEGATIVE_INFINITY;
let failedAtMs = Number.NEGATIVE_INFINITY;
/** Grows with each change made here: what was asked before one is not kept. */
let changes = 0;

/** What a role may do at this moment, give or take `FRESH_MS`. Throws an `Outage` if that cannot be known. */
export async function permissionsOf(env: Env, ctx: Waiter, role: string): Promise<readonly string[]> {
  return (await roleNow(env, ctx, role)).permissions;
}

/** What a token made now says of its role. With the database down, nothing: other services then deny. */
export async function roleClaims(
  env: Env,
  ctx: Waiter,
  role: string,
): Promise<Pick<AccessClaims, "scope" | "rv">> {
  try {
    const { permissions, version } = await roleNow(env, ctx, role);
    const scope = scopeOf(permissions);
    return { ...(scope === undefined ? {} : { scope }), rv: version };
  } catch (error) {
    if (!(error instanceof Outage)) throw error;
    return {};
  }
}

/**
 * True for a token made before its role's permissions last changed, which is not believed any more,
 * also if they are again what they were. One that does not say its role's version (made while the
 * database was down) is judged by the second, and refused on doubt. A later version than is known
 * here is no reason to refuse: this isolate hears of it in a moment. With the database down nothing
 * is outdated.
 */
export async function isOutdated(env: Env, ctx: Waiter, claims: AccessClaims): Promise<boolean> {
  try {
    const { version, changedAt } = await roleNow(env, ctx, claims.role);
    return claims.rv === undefined ? claims.iat <= changedAt : claims.rv < version;
  } catch (error) {
    if (!(error instanceof Outage)) throw error;
    log(toIso(toNumericDate(readClockMs())), {
      level: "error",
      event: "roles_unavailable",
      part: error.part,
    });
    return false;
  }
}

/** The permissions of a role, read now; null if there is none of this name. */
export async function findRole(db: D1Database, name: string): Promise<string[] | null> {
  const row = await reach("database", () =>
    db.prepare("SELECT permissions FROM roles WHERE name = ?").bind(name).first<{ permissions: string }>(),
  );
  return row === null ? null : storedPermissions(row.permissions);
}

/** What `putRole` did. `full`: there are as many roles as there may be. */
export type PutRole = "created" | "changed" | "unchanged" | "full";

/** Creates a role or replaces its permissions (sorted, each once), and notes the event of either. One transaction. */
export async function putRole(
  db: D1Database,
  name: string,
  permissions: readonly string[],
  now: NumericDate,
  eventOf: (done: "created" | "changed") => AuditEvent,
): Promise<PutRole> {
  const json = JSON.stringify(permissions);
  const [changed, , created, , found] = await reach("database", () =>
    db.batch([
      db
        .prepare(
          "UPDATE roles SET permissions = ?2, updated_at = max(updated_at, ?3) WHERE name = ?1 AND permissions <> ?2",
        )
        .bind(name, json, now),
      noteIfChanged(db, eventOf("changed")),
      db
        .prepare(
          `INSERT INTO roles (name, permissions, updated_at) SELECT ?1, ?2, ?3
           WHERE NOT EXISTS (SELECT 1 FROM roles WHERE name = ?1) AND (SELECT count(*) FROM roles) < ?4`,
        )
        .bind(name, json, now, ROLES_MAX),
      noteIfChanged(db, eventOf("created")),
      db.prepare("SELECT 1 FROM roles WHERE name = ?").bind(name),
    ]),
  );
  changes += 1;
  known = null;
  if (found?.results.length !== 1) return "full";
  if ((created?.meta.changes ?? 0) > 0) return "created";
  return (changed?.meta.changes ?? 0) > 0 ? "changed" : "unchanged";
}

async function roleNow(env: Env, ctx: Waiter, role: string): Promise<Role> {
  return (await roleTable(env, ctx)).get(role) ?? NO_ROLE;
}

async function roleTable(env: Env, ctx: Waiter): Promise<RoleTable> {
  const nowMs = readClockMs();
  if (known !== null && isFresh(known.askedAtMs, nowMs, FRESH_MS)) {
    if (!isFresh(known.askedAtMs, nowMs, RENEW_AFTER_MS) && !isFresh(renewedAtMs, nowMs, TIMEOUT_MS)) {
      ctx.waitUntil(renew(env).catch(() => undefined));
    }
    return known.table;
  }
  if (isFresh(failedAtMs, nowMs, FAILED_MS)) throw new Outage("database", "it did not answer a moment ago");
  return renew(env);
}

async function renew(env: Env): Promise<RoleTable> {
  const askedAtMs = readClockMs();
  const asOf = changes;
  renewedAtMs = askedAtMs;
  try {
    const { results } = await reach("database", () => Promise.race([readRoles(env.DB), tooLate()]));
    const table = new Map(results.map((row) => [row.name, roleOf(row)]));
    if (asOf === changes) known = { table, askedAtMs };
    return table;
  } catch (error) {
    failedAtMs = askedAtMs;
    throw error;
  }
}

type RoleRow = { name: string; permissions: string; version: number; updated_at: NumericDate };

function readRoles(db: D1Database): Promise<D1Result<RoleRow>> {
  return db.prepare("SELECT name, permissions, version, updated_at FROM roles").all();
}

function roleOf({ permissions, version, updated_at }: RoleRow): Role {
  return { permissions: storedPermissions(permissions), version, changedAt: updated_at };
}

async function tooLate(): Promise<never> {
  await scheduler.wait(TIMEOUT_MS);
  throw new Error("no answer in time");
}
