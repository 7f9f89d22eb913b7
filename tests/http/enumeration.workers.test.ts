/** Nothing but a registration tells whether a name or an address is somebody's: not the answer, and not the work (ENU-01, ENU-03, HASH-08). */
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { type Answer, PASSWORD, register, signIn, unique, uniqueAddress } from "../support/client.ts";
import { failing } from "../support/faults.ts";
import { hashesOf } from "../support/hashes.ts";
import { addressObject, askForReset } from "../support/mail.ts";
import { askUnder, NO_ABUSE } from "../support/settings.ts";

/** What is wrong with each name, and a password to try on it. */
const NAMES: Record<string, () => Promise<{ username: string; email: string; password: string }>> = {
  "a user's, with a wrong password": async () => ({ ...(await register()), password: "wrong" }),
  "nobody's": async () => nobody(),
  "nobody's address": async () => {
    const { email, password } = nobody();
    return { username: email, email, password };
  },
  "an inactive user's, with the right password": () => changed("is_active = 0"),
  "one with an unusable password": () => changed("password_hash = '!unusable'"),
  "one with a hash of no known kind": () => changed("password_hash = 'rot13$salt$digest'"),
};

function nobody() {
  const username = unique("nobody");
  return { username, email: `${username}@example.com`, password: PASSWORD };
}

async function changed(assignment: string) {
  const user = await register();
  await env.DB.prepare(`UPDATE users SET ${assignment} WHERE id = ?`).bind(user.id).run();
  return { ...user, password: PASSWORD };
}

/** What a client sees, but for what is different in every answer. */
const seen = ({ status, body, headers }: Answer) => ({
  status,
  body: { ...body, request_id: "" },
  names: [...headers.keys()].sort(),
  length: headers.get("Content-Length"),
});

/** The hash that is checked in place of nobody's is some user's: here each user has one of today's kind. */
beforeAll(async () => {
  const { id } = await register();
  await env.DB.prepare(
    `UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE id = ?)
     WHERE password_hash NOT LIKE 'argon2$argon2id$%'`,
  )
    .bind(id)
    .run();
});

describe("login", () => {
  it("ENU-01, ENU-02, HASH-08: every way to be wrong costs one hash and gets one answer", async () => {
    const answers: Answer[] = [];
    for (const [name, make] of Object.entries(NAMES)) {
      const { username, password } = await make();
      const hashes = await hashesOf(async () => answers.push(await signIn(username, password)));
      expect(hashes, name).toBe(1);
    }
    const [first, ...others] = answers.map(seen);
    expect(first).toMatchObject({ status: 401, body: { code: "invalid_credentials" } });
    for (const other of others) expect(other).toEqual(first);
  });

  it("ENU-01, LCK-02: locked, none of them costs a hash, and all are refused alike", async () => {
    const answers: Answer[] = [];
    for (const [name, make] of Object.entries(NAMES)) {
      const { username, password } = await make();
      for (let i = 0; i < 5; i += 1) expect((await signIn(username, password)).status, name).toBe(401);
      const hashes = await hashesOf(async () => answers.push(await signIn(username, password)));
      expect(hashes, name).toBe(0);
    }
    const [first, ...others] = answers.map((answer) => {
      const { body, ...rest } = seen(answer);
      return { ...rest, body: { ...body, retry_after: Math.ceil(body.retry_after / 60) } };
    });
    expect(first).toMatchObject({ status: 429, body: { code: "account_locked" } });
    for (const other of others) expect(other).toEqual(first);
  });
});

describe("password/reset", () => {
  it("ENU-03: no address costs a hash, and each costs one call, to an object of the address's own", async () => {
    const answers: Answer[] = [];
    for (const [name, make] of Object.entries(NAMES)) {
      const { email } = await make();
      expect(await hashesOf(async () => answers.push(await askForReset(email))), name).toBe(0);
      const calls: string[] = [];
      const getByName = (object: string) => {
        calls.push(object);
        return failing("").getByName(object);
      };
      const answer = await askUnder({ ...NO_ABUSE, USER_AUTHORITY: { getByName } })(
        "/api/accounts/password/reset",
        { body: { email }, address: uniqueAddress() },
      );
      expect(answer.status).toBe(200);
      expect(calls, name).toEqual([(await addressObject(email)).name]);
    }
    const [first, ...others] = answers.map(seen);
    expect(first?.status).toBe(200);
    for (const other of others) expect(other).toEqual(first);
  });

  it("ENU-03: past three an hour it is answered alike, too", async () => {
    const { email } = await register();
    const stranger = nobody().email;
    for (const address of [email, stranger]) {
      for (let i = 0; i < 3; i += 1) expect((await askForReset(address)).status).toBe(200);
    }
    expect(seen(await askForReset(email))).toEqual(seen(await askForReset(stranger)));
  });
});
