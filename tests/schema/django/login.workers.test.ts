/** People of a Django table sign in with what they always typed. */
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readUsers } from "../../../schema/django/dumpdata.ts";
import { importUsers } from "../../../schema/django/import-users.ts";
import { parsePasswordHash } from "../../../schema/password-hash.ts";
import { tellUntold } from "../../../worker/admin-users.ts";
import { trail } from "../../support/audit.ts";
import { ask, PASSWORD, register, uniqueAddress } from "../../support/client.ts";
import { ALONE, bindingDatabase } from "../../support/django.ts";
import { emulateProductionLimits } from "../../support/production-limits.ts";
import dump from "../../vectors/django/dumpdata.json";
import vectors from "../../vectors/django/logins.json";

/** What costs more is tried once for each count of iterations. */
const CHEAP_ITERATIONS_MAX = 260_000;
/** Its id would be the highest of this database, which other tests use too. */
const LARGE_ID = 2_147_483_539;
/** Their own ids may be those of accounts that other tests have made here. */
const moved = (id: number): number => id + 1_000_000;

const hashOf = new Map<number, string>();
for (const { model, pk, fields } of dump) {
  if (model === "auth.user" && fields.password !== undefined) hashOf.set(moved(Number(pk)), fields.password);
}
const logins = vectors.logins
  .filter(({ id }) => id !== LARGE_ID)
  .map((login) => ({ ...login, id: moved(login.id) }))
  .map((login) => ({ ...login, hash: parsePasswordHash(hashOf.get(login.id) ?? "") }));
const isSupported = ({ hash }: { hash: { algorithm: string } }) => hash.algorithm !== "unsupported";
const accepted = logins.filter((login) => login.verdict === "must-accept" && isSupported(login));

async function* dumped() {
  const users = dump.filter(({ model, pk }) => model === "auth.user" && pk !== LARGE_ID);
  yield new TextEncoder().encode(
    JSON.stringify(users.map((user) => ({ ...user, pk: moved(Number(user.pk)) }))),
  );
}

async function signIn(username: string, password: string): Promise<number> {
  const body = { username, password };
  return (await ask("/api/accounts/login", { body, address: uniqueAddress() })).status;
}

beforeAll(async () => {
  emulateProductionLimits();
  const options = { db: bindingDatabase(env.DB), dryRun: false, now: 1_800_000_000 };
  const rows = await Array.fromAsync(importUsers(readUsers(dumped()), options, ALONE));
  expect(rows.map(({ verdict }) => verdict)).toEqual(logins.map(() => "imported"));
});
afterAll(async () => {
  const ids = JSON.stringify(logins.map(({ id }) => id));
  await env.DB.batch([
    env.DB.prepare("DELETE FROM users WHERE id IN (SELECT value FROM json_each(?))").bind(ids),
    env.DB.prepare("DELETE FROM imported_users WHERE user_id IN (SELECT value FROM json_each(?))").bind(ids),
  ]);
});

const iterations = (login: (typeof logins)[number]) =>
  login.hash.algorithm === "pbkdf2_sha256" ? login.hash.iterations : 0;
const kind = (login: (typeof logins)[number]) => `${login.hash.algorithm} ${iterations(login)}`;
const tried = accepted.filter((login, index) => {
  const isFirst = accepted.findIndex((other) => kind(other) === kind(login)) === index;
  return isFirst || iterations(login) <= CHEAP_ITERATIONS_MAX;
});

test("every algorithm and every count of iterations in the table is tried", () => {
  expect(new Set(tried.map(iterations))).toEqual(
    new Set([0, 36_000, 100_000, 260_000, 600_000, 720_000, 870_000]),
  );
  expect(new Set(tried.map(({ hash }) => hash.algorithm))).toEqual(
    new Set(["pbkdf2_sha256", "pbkdf2_sha1", "scrypt", "bcrypt_sha256"]),
  );
});

describe("signs in with the password, twice, and with no other", () => {
  test.for(tried.map((login) => [login.case, login] as const))(
    "%s",
    async ([, { id, username, password, wrong }]) => {
      expect(await signIn(username, password)).toBe(200);
      const hash = await env.DB.prepare("SELECT password_hash FROM users WHERE id = ?").bind(id).first();
      expect(hash?.password_hash, "renewed on the way").toMatch(/^argon2\$argon2id\$v=19\$m=19456,/);
      expect(await signIn(username, password)).toBe(200);
      for (const other of [`${password}x`, ...wrong]) expect(await signIn(username, other)).toBe(401);
    },
  );
});

test("a wrong password is refused before the first sign-in as well", async () => {
  const untried = accepted.filter((login) => !tried.includes(login));
  for (const { username, password, wrong } of untried.slice(0, 2)) {
    for (const other of [`${password}x`, ...wrong]) expect(await signIn(username, other)).toBe(401);
  }
});

describe("is refused with the right password", () => {
  const refused = logins.filter((login) => login.verdict === "must-reject" || !isSupported(login));

  test.for(refused.map((login) => [login.case, login] as const))("%s", async ([, { username, password }]) =>
    expect(await signIn(username, password)).toBe(401),
  );

  test("inactive, unusable, and an argon2 hash of 100 MiB, which no isolate can hold", () => {
    expect(refused).toHaveLength(3);
  });
});

test("a second import after the sign-ins finds every user unchanged", async () => {
  const options = { db: bindingDatabase(env.DB), dryRun: false, now: 1_800_000_001 };
  const rows = await Array.fromAsync(importUsers(readUsers(dumped()), options, ALONE));
  expect(rows.map(({ verdict }) => verdict)).toEqual(logins.map(() => "unchanged"));
});

test("a password changed in Django replaces the hash that a sign-in here renewed, and ends the sessions", async () => {
  const [login] = tried;
  if (login === undefined) throw new Error("nobody signed in");
  const { username, password } = login;
  const session = await ask("/api/accounts/login", {
    body: { username, password },
    address: uniqueAddress(),
  });
  expect(session.status).toBe(200);
  async function* changed() {
    const user = dump.find(({ model, pk }) => model === "auth.user" && moved(Number(pk)) === login?.id);
    const fields = { ...user?.fields, password: "pbkdf2_sha256$1$new$hash" };
    yield new TextEncoder().encode(JSON.stringify([{ ...user, pk: login?.id, fields }]));
  }
  const options = { db: bindingDatabase(env.DB), dryRun: false, now: 1_800_000_002 };
  const [row] = await Array.fromAsync(importUsers(readUsers(changed()), options, ALONE));
  expect(row).toMatchObject({ pk: login.id, verdict: "updated" });
  const hash = await env.DB.prepare("SELECT password_hash FROM users WHERE id = ?").bind(login.id).first();
  expect(hash?.password_hash).toBe("pbkdf2_sha256$1$new$hash");

  await tellUntold(env, options.now + 60);
  const body = { refresh_token: session.body.refresh_token };
  const refused = await ask("/api/accounts/token/refresh", { body, address: uniqueAddress() });
  expect(refused.body.code).toBe("refresh_token_revoked");
});

test("whose hash cannot be computed here gets the same answer, and the trail says why", async () => {
  const user = await register();
  const dear = `argon2$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHRzb21lc2FsdA$${"A".repeat(43)}`;
  for (const hash of [dear, "pbkdf2_sha256$malformed"]) {
    await env.DB.prepare("UPDATE users SET password_hash = ? WHERE id = ?").bind(hash, user.id).run();
    expect(await signIn(user.username, PASSWORD)).toBe(401);
  }
  await env.DB.prepare("UPDATE users SET password_hash = '!unusable' WHERE id = ?").bind(user.id).run();
  expect(await signIn(user.username, PASSWORD)).toBe(401);
  const told = await trail("user_id = ? AND type = 'login_failed'", [user.id], 3);
  expect(told.map(({ reason }) => reason).sort()).toEqual([
    "unverifiable_hash",
    "unverifiable_hash",
    "wrong_password",
  ]);
});
